"""A real streaming replica of Postgres is refused by name, and serves once it is the primary."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Generator


class Replica(PostgresServer):
    """A server that follows another."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__("fsync=off")
        self._primary = primary

    def create(self) -> Replica:
        self.give_away()
        where = f"host=127.0.0.1 port={self._primary.port} user=postgres"
        # -R makes it a standby that streams from there.
        self._run(
            "pg_basebackup",
            "-R",
            "--checkpoint=fast",
            "--no-sync",
            f"--dbname={where}",
            "-D",
            str(self.folder / "data"),
        )
        self.start()
        return self


@pytest.fixture
def replica(shared_postgres_server: PostgresServer) -> Generator[PostgresServer, None, None]:
    server = Replica(shared_postgres_server)
    try:
        yield server.create()
    finally:
        server.remove()


async def ask(server: PostgresServer, question: str) -> Any:
    connection = await asyncpg.connect(server.superuser_url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_replica_is_refused_until_it_is_the_primary(
    shared_postgres_server: PostgresServer, replica: PostgresServer
) -> None:
    options: dict[str, Any] = {"schema": f"test_{uuid4().hex}"}
    async with open_backend(shared_postgres_server.url, migrate=True, **options) as backend:
        await backend["session.set"](id="s", value={"n": 1})
    assert await ask(shared_postgres_server, "SELECT count(*) FROM pg_stat_replication") == 1  # it is no mere copy
    for migrate in (True, False):
        with pytest.raises(BackendError, match="read-only replica; give the address of its primary") as caught:
            await open_backend(replica.url, migrate=migrate, **options)
        assert f"127.0.0.1:{replica.port}" in str(caught.value)
        assert PostgresServer.PASSWORD not in str(caught.value)
    await catch_up(shared_postgres_server, replica)
    assert await ask(replica, "SELECT pg_promote()")
    async with open_backend(replica.url, **options) as backend:
        assert await backend["session.get"](id="s") == {"n": 1}
        await backend["session.set"](id="s", value={"n": 2})


async def catch_up(primary: PostgresServer, replica: PostgresServer) -> None:
    last = await ask(primary, "SELECT pg_current_wal_lsn()::text")
    async with asyncio.timeout(20):
        caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{last}'::pg_lsn"
        while not await ask(replica, caught_up):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)
