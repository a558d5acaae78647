"""The marker in Postgres: its table comes with a migration, and rights and addresses are what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from storescope import BackendError
from storescope.backends import Backend, open_backend
from storescope.backends._postgres import _migrations
from tests.region.policies import EU, US

if TYPE_CHECKING:
    from tests.servers import PostgresServer


@pytest.fixture
def schema() -> str:
    return f"test_{uuid4().hex}"


async def place_of(backend: Backend) -> str:
    return (await backend.admin.mark(EU)).identity.place


async def test_a_schema_of_the_first_version_is_brought_up_to_date_with_its_records(
    shared_postgres_server: PostgresServer, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{shared_postgres_server.url}?schema={schema}"
    with monkeypatch.context() as patch:
        patch.setattr(_migrations, "_FILES", _migrations._FILES[:1])
        async with open_backend(url, migrate=True) as backend:
            await backend["setup.set"](id="kept", value={"a": 1})
    with pytest.raises(BackendError, match=r"older than this storescope needs.*migrate=True"):
        await open_backend(url)
    async with open_backend(url, migrate=True) as backend:
        assert await backend["setup.get"](id="kept") == {"a": 1}
        await backend.admin.mark(EU)
    async with open_backend(url, probe=True) as backend:
        assert backend.info.region_confidence == "probed"


async def test_the_application_may_read_the_marker_and_need_not_be_able_to_write_it(
    shared_postgres_server: PostgresServer, schema: str
) -> None:
    server = shared_postgres_server
    role = f"agent_{schema}"
    async with open_backend(f"{server.url}?schema={schema}&migrate=true") as backend:
        await backend.admin.mark(EU)
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA {schema} TO {role}; "
        f"GRANT SELECT ON {schema}.migrations TO {role}"
    )
    url = server.url.replace(f"app:{server.PASSWORD}", f"{role}:secret")
    with pytest.raises(BackendError, match=rf"GRANT SELECT ON {schema}\.residency_marker"):
        await open_backend(url, schema=schema, probe=True)
    await connection.execute(f"GRANT SELECT ON {schema}.residency_marker TO {role}")
    await connection.close()
    async with open_backend(url, schema=schema, probe=True) as backend:
        assert backend.info.region_confidence == "probed"
        with pytest.raises(BackendError, match="role that owns the tables") as caught:
            await backend.admin.mark(US, replace=True)
        assert "secret" not in str(caught.value)


async def test_the_table_holds_one_row(shared_postgres_server: PostgresServer, schema: str) -> None:
    async with open_backend(f"{shared_postgres_server.url}?schema={schema}&migrate=true") as backend:
        await backend.admin.mark(EU)
    connection = await asyncpg.connect(shared_postgres_server.url)
    for key in ("true", "false", "NULL"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute(f"INSERT INTO {schema}.residency_marker VALUES ({key}, '')")
    await connection.close()


async def test_a_url_without_a_host_is_bound_to_nothing(
    shared_postgres_server: PostgresServer, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment says where it leads, here and elsewhere."""
    server = shared_postgres_server
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(server.port))
    url = f"postgresql://app:{server.PASSWORD}@/storescope?schema={schema}"
    async with open_backend(url, migrate=True) as backend:
        with pytest.raises(BackendError, match="names no host") as caught:
            await backend.admin.mark(EU)
        assert server.PASSWORD not in str(caught.value)


async def test_the_place_is_what_is_dialled(
    shared_postgres_server: PostgresServer, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = shared_postgres_server
    who = f"postgresql://app:{server.PASSWORD}"
    options = f"?schema={schema}&migrate=true"
    async with open_backend(f"{who}@LocalHost:{server.port}/storescope{options}") as backend:
        assert await place_of(backend) == f"postgresql://localhost:{server.port}/storescope"
        await backend.admin.mark(EU)
    monkeypatch.setenv("PGPORT", str(server.port))  # asyncpg dials it if the URL has none
    async with open_backend(f"{who}@localhost/storescope{options}", probe=True) as backend:
        assert backend.info.region_confidence == "probed"
    both = f"localhost:{server.port},127.0.0.1:{server.port}"
    async with open_backend(f"{who}@{both}/storescope{options}", probe=True) as backend:
        assert backend.info.region_confidence == "conflict"
