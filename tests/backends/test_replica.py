"""A real streaming replica of Postgres is refused by name, and serves once it is the primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        self._run("pg_basebackup", "-R", "--checkpoint=fast", f"--dbname={where}", "-D", str(self.folder / "data"))
        self.start()
        return self


@pytest.fixture
def primary() -> Generator[PostgresServer, None, None]:
    server = PostgresServer("fsync=off").create()
    yield server
    server.remove()


@pytest.fixture
def replica(primary: PostgresServer) -> Generator[PostgresServer, None, None]:
    server = Replica(primary)
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
    primary: PostgresServer, replica: PostgresServer
) -> None:
    async with open_backend(primary.url, migrate=True) as backend:
        await backend["session.set"](id="s", value={"n": 1})
        assert await ask(primary, "SELECT count(*) FROM pg_stat_replication") == 1  # it streams, and is no copy
        for migrate in (True, False):
            with pytest.raises(BackendError, match="read-only replica; give the address of its primary") as caught:
                await open_backend(replica.url, migrate=migrate)
            assert f"127.0.0.1:{replica.port}" in str(caught.value)
            assert PostgresServer.PASSWORD not in str(caught.value)
    await catch_up(primary, replica)
    primary.kill()
    assert await ask(replica, "SELECT pg_promote()")
    async with open_backend(replica.url) as backend:
        assert await backend["session.get"](id="s") == {"n": 1}
        await backend["session.set"](id="s", value={"n": 2})


async def catch_up(primary: PostgresServer, replica: PostgresServer) -> None:
    last = await ask(primary, "SELECT pg_current_wal_lsn()::text")
    while not await ask(replica, f"SELECT pg_last_wal_replay_lsn() >= '{last}'::pg_lsn"):
        pass
