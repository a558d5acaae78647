"""What happens to Postgres alone: its disk is full, and it ends sessions."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.disks import filled, small_disk
from tests.faults.proxy import Proxy
from tests.faults.sites import TIMEOUT, PostgresSite
from tests.faults.traffic import Traffic, check_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from storescope.backends import Backend
    from tests.servers import PostgresServer


END_ALL = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'"


@asynccontextmanager
async def traffic_on(site: PostgresSite, **options: Any) -> AsyncGenerator[Traffic, None]:
    """Traffic for a block, and the audit after it."""
    async with (
        open_backend(site.url, **site.limits) as backend,
        Traffic(backend, limit=TIMEOUT, **options) as traffic,
    ):
        await traffic.get_on()
        yield traffic
        await traffic.get_on()
    await site.settle()
    async with open_backend(site.url) as backend:
        await audit(backend, traffic.ledger)


@pytest.fixture
def tablespace() -> Generator[Path, None, None]:
    """A small disk that Postgres may write to."""
    outer = Path(tempfile.mkdtemp(prefix="storescope-disk-"))
    outer.chmod(0o755)
    with small_disk(outer / "small", "24m") as disk:
        folder = disk / "space"
        folder.mkdir(mode=0o700)
        yield folder
    outer.rmdir()


async def test_a_full_disk_refuses_and_says_that_nothing_was_written(
    postgres_site: PostgresSite, tablespace: Path
) -> None:
    owner = postgres_site.server.folder.stat()
    shutil.chown(tablespace, owner.st_uid, owner.st_gid)
    space = postgres_site.schema
    await postgres_site.execute(
        f"CREATE TABLESPACE {space} LOCATION '{tablespace}'",
        f"GRANT CREATE ON TABLESPACE {space} TO app",
        f"ALTER ROLE app SET default_tablespace = {space}",
        "SELECT 1",
    )
    try:
        async with traffic_on(postgres_site, size=4_000) as traffic:
            with filled(tablespace.parent):
                await traffic.feel_it()
    finally:
        await postgres_site.execute(
            f"DROP SCHEMA {postgres_site.schema} CASCADE",
            "ALTER ROLE app RESET default_tablespace",
            f"DROP TABLESPACE {space}",
            "SELECT 1",
        )
    errors = [error for error in traffic.errors if error.driver_error != "asyncpg.TimeoutError"]  # a busy machine
    assert {error.driver_error for error in errors} == {"asyncpg.DiskFullError:53100"}
    assert not any(error.maybe_applied for error in errors)


async def test_sessions_that_the_server_ends(postgres_site: PostgresSite) -> None:
    async with traffic_on(postgres_site, late=True) as traffic:
        await traffic.feel_it(lambda: postgres_site.execute(END_ALL))


async def test_sessions_that_were_silent_for_too_long_are_made_anew(postgres_site: PostgresSite) -> None:
    await postgres_site.execute("ALTER ROLE app SET idle_session_timeout = 200", "SELECT 1")
    try:
        async with open_backend(postgres_site.url) as backend:
            for number in range(3):
                await backend["setup.set"](id="s", value={"n": number})
                await asyncio.sleep(0.4)
                assert await backend["setup.get"](id="s") == {"n": number}
    finally:
        await postgres_site.execute("ALTER ROLE app RESET idle_session_timeout", "SELECT 1")


async def test_a_primary_that_hands_over_is_left_for_the_new_one(
    postgres_site: PostgresSite, shared_postgres_server: PostgresServer
) -> None:
    """The same address leads to the new primary; the old one is up, read-only, and keeps its connections open."""
    url = postgres_site.url.replace(f":{postgres_site.port}/", f":{shared_postgres_server.port}/")
    await (await open_backend(url)).aclose()  # the new one has the tables
    with Proxy(postgres_site.port) as proxy:
        async with open_backend(proxy.url(postgres_site.url), max_connections=1) as backend:
            await backend["session.set"](id="s", value={"n": 1})
            await postgres_site.execute(
                "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
            )
            proxy.target = shared_postgres_server.port
            try:
                error = await first_error(backend)
            finally:
                await postgres_site.execute(
                    "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"
                )
            check_error(error)
            assert error.driver_error == "asyncpg.ReadOnlySQLTransactionError:25006"
            assert not error.maybe_applied
            await backend["session.set"](id="s", value={"n": 3})
    async with open_backend(url) as backend:
        assert await backend["session.get"](id="s") == {"n": 3}


async def first_error(backend: Backend) -> BackendError:
    """Write until it fails: a session reads a new setting between two statements."""
    try:
        while True:
            await backend["session.set"](id="s", value={"n": 2})
    except BackendError as error:
        return error
