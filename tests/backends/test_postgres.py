"""Postgres: tables made once, tenants kept apart by the database too, and one clear error for each thing wrong."""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from storescope import BackendError, RecordTooLargeError, call_context
from storescope.backends import open_backend
from tests.servers import PostgresServer, free_port

if TYPE_CHECKING:
    from collections.abc import Generator

WRONG = "hunter2-canary"


@pytest.fixture
def schema() -> str:
    return f"test_{uuid4().hex}"


@pytest.fixture
def postgres_server() -> Generator[PostgresServer, None, None]:
    server = PostgresServer().create()
    yield server
    server.remove()


async def refusal(url: str, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await open_backend(url, **options)
    shown = "".join(traceback.format_exception(caught.value, chain=True))
    for secret in (WRONG, PostgresServer.PASSWORD):
        assert secret not in shown
        assert secret not in repr(caught.value)
    assert "During handling" not in shown
    return caught.value


async def test_two_processes_that_migrate_at_once_both_open(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    url = f"{shared_postgres_server.url}?schema={schema}"
    opened = await asyncio.gather(*(open_backend(url, migrate=True) for _ in range(4)))
    await opened[0]["setup.set"](id="one", value={"a": 1})
    assert [await backend["setup.get"](id="one") for backend in opened] == [{"a": 1}] * 4
    for backend in opened:
        await backend.aclose()


async def test_missing_tables_name_the_migration(shared_postgres_server: PostgresServer, schema: str) -> None:
    error = await refusal(shared_postgres_server.url, schema=schema)
    assert "migrate=True" in str(error)
    assert not error.retryable


async def test_tables_of_a_newer_version_are_left_alone(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    url = f"{shared_postgres_server.url}?schema={schema}"
    await (await open_backend(url, migrate=True)).aclose()
    connection = await asyncpg.connect(shared_postgres_server.url)
    await connection.execute(f"INSERT INTO {schema}.migrations (version) VALUES (99)")
    await connection.close()
    for migrate in (False, True):
        assert "newer" in str(await refusal(url, migrate=migrate))


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        (f"postgresql://app:{WRONG}@HOST/storescope", {}, "user name or password"),
        (f"postgresql://nobody:{WRONG}@HOST/storescope", {}, "user name or password"),
        ("postgresql://app:app-secret@HOST/missing", {}, "no database of this name"),
        ("postgresql://app:app-secret@HOST/storescope", {"sslmode": "require"}, "speaks no TLS"),
        ("postgresql://app:app-secret@HOST/storescope", {"sslrootcert": "/missing.pem"}, "sslrootcert"),
        ("postgresql://app:app-secret@HOST/storescope", {"sslmode": "always"}, "sslmode"),
        ("postgresql://app:app-secret@HOST/storescope", {"schema": "a; drop"}, "schema"),
        ("postgresql://app:app-secret@HOST/storescope", {"max_connections": 0}, "max_connections"),
        ("postgresql://app:app-secret@HOST/storescope", {"timeout": 0}, "time-outs"),
        (f"postgresql://app:{WRONG}@HOST", {}, "postgresql://[USER:PASSWORD@]HOST"),
        (f"postgresql:app:{WRONG}", {}, "postgresql://[USER:PASSWORD@]HOST"),
        (f"postgresql://app:{WRONG}@127.0.0.1:notaport/storescope", {}, "cannot"),
    ],
)
async def test_what_is_wrong_is_named(
    shared_postgres_server: PostgresServer, url: str, options: dict[str, Any], says: str
) -> None:
    error = await refusal(url.replace("HOST", f"127.0.0.1:{shared_postgres_server.port}"), **options)
    assert says in str(error)


async def test_a_server_that_is_not_there_is_worth_a_retry() -> None:
    error = await refusal(f"postgresql://app:{WRONG}@127.0.0.1:{free_port()}/storescope")
    assert "is a server running there?" in str(error)
    assert error.retryable


async def test_a_read_only_database_is_refused(shared_postgres_server: PostgresServer) -> None:
    url = shared_postgres_server.url.replace("//app:", "//reader:")
    connection = await asyncpg.connect(shared_postgres_server.superuser_url)
    await connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PostgresServer.PASSWORD}'")
    await connection.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    await connection.close()
    assert "read-only" in str(await refusal(url))


async def test_plain_sql_sees_only_the_tenant_that_its_transaction_names(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    """The application's own role, with SQL that forgets the tenant, reaches no row of another."""
    url = f"{shared_postgres_server.url}?schema={schema}&migrate=true"
    async with open_backend(url, tenancy="required") as backend:
        for tenant in ("acme", "globex"):
            with call_context(tenant=tenant):
                await backend["session.set"](id="s", value={"owner": tenant})
    connection = await asyncpg.connect(shared_postgres_server.url)
    everything = f"SELECT tenant FROM {schema}.records"
    assert await connection.fetch(everything) == []
    async with connection.transaction():
        await connection.execute("SELECT set_config('storescope.tenant', 'acme', true)")
        assert [row[0] for row in await connection.fetch(everything)] == ["acme"]
        assert await connection.execute(f"UPDATE {schema}.records SET body = '{{}}'") == "UPDATE 1"
        assert await connection.execute(f"DELETE FROM {schema}.records WHERE tenant = 'globex'") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                f"INSERT INTO {schema}.records (tenant, entity, id, body) VALUES ('globex', 'setup', 'x', '{{}}')"
            )
    assert await connection.fetch(everything) == []
    await connection.close()


async def test_the_documented_grants_are_enough_for_the_application(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    """A role that owns nothing may do all that an agent and its operator do, and is held by row-level security."""
    server = shared_postgres_server
    await (await open_backend(f"{server.url}?schema={schema}&migrate=true")).aclose()
    page = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
    grants = page.partition("```sql\n")[2].partition("```")[0]
    role = f"agent_{schema}"
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute(grants.replace("storescope", schema).replace("agent_app", role))
    await connection.close()
    url = server.url.replace(f"app:{server.PASSWORD}", f"{role}:secret")
    async with open_backend(f"{url}?schema={schema}", tenancy="required") as backend:
        for tenant in ("acme", "globex"):
            with call_context(tenant=tenant):
                await backend["message.set"](id="m", value={"sessionId": "s", "of": tenant})
                await backend["message.update"](id="m", updates={"sessionId": "t"})
                assert await backend["message.listBySession"](session_id="t") == [{"sessionId": "t", "of": tenant}]
                assert len((await backend.admin.scan("message")).records) == 1
        assert await backend.admin.marker() is None
        with call_context(tenant="acme"):
            assert await backend.admin.purge("message", "m")
    connection = await asyncpg.connect(url)
    assert await connection.fetch(f"SELECT * FROM {schema}.records") == []
    await connection.close()


async def test_a_role_without_the_grants_is_told(shared_postgres_server: PostgresServer, schema: str) -> None:
    server = shared_postgres_server
    role = f"nothing_{schema}"
    await (await open_backend(f"{server.superuser_url}?schema={schema}&migrate=true")).aclose()
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{WRONG}'")
    await connection.close()
    url = server.url.replace(f"app:{server.PASSWORD}", f"{role}:{WRONG}")
    assert "lacks a privilege" in str(await refusal(url, schema=schema))
    assert "lacks a privilege" in str(await refusal(url, schema=f"{schema}_new", migrate=True))


async def test_a_schema_that_a_dba_made_is_enough_to_migrate_into(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    server = shared_postgres_server
    role = f"migrator_{schema}"
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; CREATE SCHEMA {schema} AUTHORIZATION {role}"
    )
    await connection.close()
    url = server.url.replace(f"app:{server.PASSWORD}", f"{role}:secret")
    async with open_backend(url, schema=schema, migrate=True) as backend:
        await backend["setup.set"](id="s", value={"a": 1})
        assert await backend["setup.get"](id="s") == {"a": 1}


async def test_a_record_larger_than_a_field_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storescope.backends._postgres._tables._MAX_BYTES", 1000)
    async with open_backend(postgres_url) as backend:
        await backend["message.set"](id="m", value={"sessionId": "s"})
        with pytest.raises(RecordTooLargeError):
            await backend["message.set"](id="m", value={"sessionId": "s", "text": "x" * 1000})
        with pytest.raises(RecordTooLargeError):
            await backend["message.update"](id="m", updates={"text": "x" * 990})
        assert await backend["message.get"](id="m") == {"sessionId": "s"}


async def test_a_role_that_row_level_security_does_not_hold_is_told(
    shared_postgres_server: PostgresServer, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "storescope"):
        url = f"{shared_postgres_server.superuser_url}?schema={schema}&migrate=true"
        await (await open_backend(url, tenancy="required")).aclose()
    assert "row-level security does not hold this role" in caplog.text


async def test_a_killed_server_is_found_again_with_all_that_was_acknowledged(
    postgres_server: PostgresServer,
) -> None:
    async with open_backend(f"{postgres_server.url}?migrate=true", timeout=2) as backend:
        await asyncio.gather(*(backend["setup.set"](id=f"s{n}", value={"n": n}) for n in range(20)))
        postgres_server.kill()
        with pytest.raises(BackendError) as caught:
            await backend["setup.set"](id="late", value={})
        assert caught.value.retryable
        postgres_server.start()
        assert [await backend["setup.get"](id=f"s{n}") for n in range(20)] == [{"n": n} for n in range(20)]


async def test_a_stopped_server_is_waited_for_no_longer_than_allowed(postgres_url: str) -> None:
    """A row that somebody else has locked: the server gives up first, and its answer is definite."""
    async with open_backend(postgres_url, statement_timeout=0.2) as backend:
        await backend["setup.set"](id="s", value={})
        other = await asyncpg.connect(postgres_url.partition("?")[0])
        schema = postgres_url.rpartition("schema=")[2]
        async with other.transaction():
            await other.execute(f"SELECT 1 FROM {schema}.records FOR UPDATE")
            with pytest.raises(BackendError) as caught:
                await backend["setup.set"](id="s", value={"a": 1})
        await other.close()
        assert caught.value.driver_error == "asyncpg.QueryCanceledError:57014"
        assert caught.value.retryable
        assert "may have been applied" not in str(caught.value)
        assert await backend["setup.get"](id="s") == {}


async def test_a_silent_server_ends_in_an_error_that_leaves_the_fate_open(postgres_url: str) -> None:
    async with open_backend(postgres_url, timeout=0.3, statement_timeout=0) as backend:
        await backend["setup.set"](id="s", value={})
        other = await asyncpg.connect(postgres_url.partition("?")[0])
        schema = postgres_url.rpartition("schema=")[2]
        async with other.transaction():
            await other.execute(f"LOCK TABLE {schema}.records")
            with pytest.raises(BackendError, match="may have been applied"):
                await backend["setup.set"](id="s", value={"a": 1})
        await other.close()
        assert await backend["setup.get"](id="s") in ({}, {"a": 1})
