"""A copy of a marked store that was restored elsewhere does not pass for the place that was marked."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from redis.asyncio import Redis

from storescope import BackendError
from storescope.backends import _local_marker, open_backend
from storescope.backends._redis import _marker as redis_marker
from tests.region.policies import EU
from tests.servers import PostgresServer, RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PASSWORD = "hunter2-canary"


async def mark(url: str) -> None:
    async with open_backend(url) as backend:
        await backend["setup.set"](id="one", value={"a": 1})
        await backend.admin.mark(EU)
    assert await confidence(url) == "probed"


async def confidence(url: str) -> str:
    """Open with the marker, make sure that the records are there, and return how well the region is known."""
    async with open_backend(url, region=EU, probe=True) as backend:
        assert await backend["setup.get"](id="one") == {"a": 1}
        assert backend.info.region == EU
        return backend.info.region_confidence


async def assert_conflict(url: str, caplog: pytest.LogCaptureFixture, *named: object) -> None:
    """Hold the copy to a conflict, and the one warning about it to names without credentials."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    assert await confidence(url) == "conflict"
    (warning,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert warning.name == "storescope"
    for name in named:
        assert str(name) in warning.getMessage()
    assert PASSWORD not in caplog.text
    assert PostgresServer.PASSWORD not in caplog.text


@pytest.fixture
def postgres_server() -> Generator[PostgresServer, None, None]:
    server = PostgresServer("fsync=off").create()
    yield server
    server.remove()


async def test_a_redis_replica_that_was_promoted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    at_once = ("--repl-diskless-sync-delay", "0")
    servers = [RedisServer(tmp_path, "--requirepass", PASSWORD, *at_once).start() for _ in range(2)]
    first, second = (server.url.replace("//", f"//:{PASSWORD}@") for server in servers)
    try:
        await mark(first)
        async with Redis.from_url(second) as replica:
            await replica.config_set("masterauth", PASSWORD)
            await replica.replicaof("127.0.0.1", servers[0].port)
            async with Redis.from_url(first, socket_timeout=30) as primary:
                await primary.set("to be waited for", 1)
                assert await primary.wait(1, 10_000) == 1
            servers[0].kill()
            await replica.replicaof("NO", "ONE")
        await assert_conflict(second, caplog, servers[0].port, servers[1].port)
    finally:
        for server in servers:
            server.kill()


async def test_a_postgres_cluster_whose_files_were_copied(
    postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its marker and its system identifier came along."""
    await mark(f"{postgres_server.url}?migrate=true")
    postgres_server.kill()
    copy = postgres_server.copy().start()
    try:
        await assert_conflict(copy.url, caplog, postgres_server.port, copy.port)
    finally:
        copy.remove()


async def test_a_postgres_dump_that_was_loaded_into_another_cluster(
    postgres_server: PostgresServer, shared_postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Even behind the same address: the cluster has an id of its own."""
    async with open_backend(f"{shared_postgres_server.url}?migrate=true&schema=dumped") as backend:
        await backend["setup.set"](id="one", value={"a": 1})
        marker = await backend.admin.mark(EU)
    text = marker.to_text().replace(str(shared_postgres_server.port), str(postgres_server.port))
    await mark(f"{postgres_server.url}?migrate=true")
    connection = await asyncpg.connect(postgres_server.url)
    await connection.execute("UPDATE storescope.residency_marker SET marker = $1", text)
    await connection.close()
    await assert_conflict(postgres_server.url, caplog, "another database cluster")


async def test_a_role_that_may_not_read_the_clusters_id_goes_by_the_address(
    postgres_server: PostgresServer,
) -> None:
    await mark(f"{postgres_server.url}?migrate=true")
    connection = await asyncpg.connect(postgres_server.superuser_url)
    await connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    await connection.close()
    assert await confidence(postgres_server.url) == "probed"
    async with open_backend(postgres_server.url) as backend:
        marker = await backend.admin.mark(EU)  # what is there is the same, as far as this role knows
        assert marker.identity.cluster


async def test_a_local_folder_that_was_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    await mark(f"local:{first}")
    shutil.copytree(first, second)
    await assert_conflict(f"local:{second}", caplog, first, second)


async def test_a_local_folder_that_was_restored_to_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await mark(f"local:{tmp_path / 'store'}")
    (tmp_path / "store").rename(tmp_path / "away")  # not deleted: its inode could be given again at once
    shutil.copytree(tmp_path / "away", tmp_path / "store")
    await assert_conflict(f"local:{tmp_path / 'store'}", caplog, "another file at this path")


async def test_a_local_folder_is_the_same_by_whatever_path(tmp_path: Path) -> None:
    await mark(f"local:{tmp_path / 'store'}")
    (tmp_path / "link").symlink_to(tmp_path / "store")
    assert await confidence(f"local:{tmp_path / 'link'}") == "probed"


async def test_a_local_file_that_is_gone_cannot_be_marked(tmp_path: Path) -> None:
    async with open_backend(f"local:{tmp_path / 'store'}") as backend:
        (tmp_path / "store" / "storage.db").unlink()
        with pytest.raises(BackendError, match="gone"):
            await backend.admin.mark(EU)


@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_the_same_names_on_another_machine(
    request: pytest.FixtureRequest,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`localhost`, or a path, means something else on each machine."""
    url: str = request.getfixturevalue("redis_url") if kind == "redis" else f"local:{tmp_path / 'store'}"
    await mark(url)
    module: Any = {"local": _local_marker, "redis": redis_marker}[kind]
    monkeypatch.setattr(module, "machine_id", lambda: "ffffffffffffffff")
    await assert_conflict(url, caplog, "another machine")
