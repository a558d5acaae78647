"""What happens to Redis alone: it is full, its disk is full, it pauses, it hands over to another."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.disks import filled, small_disk
from tests.faults.proxy import Mode, Proxy
from tests.faults.sites import TIMEOUT, RedisSite
from tests.faults.traffic import Traffic, check_error
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@asynccontextmanager
async def admin(port: int) -> AsyncGenerator[Any, None]:
    """A client beside the backend's."""
    async with Redis(port=port, decode_responses=True, protocol=2) as client:
        yield client


@asynccontextmanager
async def traffic_on(site: RedisSite, **options: Any) -> AsyncGenerator[Traffic, None]:
    """Traffic for a block, and the audit after it."""
    async with open_backend(site.url, **site.limits) as backend:
        async with Traffic(backend, limit=TIMEOUT, **options) as traffic:
            await traffic.get_on()
            yield traffic
            await traffic.get_on()
        await audit(backend, traffic.ledger)


async def test_a_server_without_memory_refuses_and_says_that_nothing_was_written(redis_site: RedisSite) -> None:
    async with admin(redis_site.port) as redis, traffic_on(redis_site) as traffic:
        await redis.config_set("maxmemory", "1")
        await traffic.feel_it()
        await redis.config_set("maxmemory", "0")
    assert {error.driver_error for error in traffic.errors} == {"redis.OutOfMemoryError"}
    assert not any(error.maybe_applied for error in traffic.errors)


async def test_memory_that_comes_and_goes_leaves_nothing_half_written(redis_site: RedisSite) -> None:
    """Full at any moment, also between the steps of a move: a script is refused at its first write or never."""
    async with admin(redis_site.port) as redis, traffic_on(redis_site, size=5_000) as traffic:
        info: dict[str, Any] = await redis.info("memory")
        used = int(info["used_memory"])
        for step in range(200):
            await redis.config_set("maxmemory", str(used + step % 20 * 10_000))
        await traffic.feel_it()
        await redis.config_set("maxmemory", "0")
    assert {error.driver_error for error in traffic.errors} == {"redis.OutOfMemoryError"}


async def test_a_paused_server_is_waited_for_no_longer_than_allowed(redis_site: RedisSite) -> None:
    async with admin(redis_site.port) as redis, traffic_on(redis_site, late=True) as traffic:
        await redis.execute_command("CLIENT", "PAUSE", round(TIMEOUT * 2_000), "ALL")
        await traffic.feel_it()
    assert {error.driver_error for error in traffic.errors} == {"redis.TimeoutError"}


async def test_connections_that_the_server_kills(redis_site: RedisSite) -> None:
    async with admin(redis_site.port) as redis, traffic_on(redis_site, late=True) as traffic:
        await traffic.feel_it(lambda: redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    assert {error.driver_error for error in traffic.errors} == {"redis.ConnectionError"}


async def test_a_full_disk_ends_the_server_and_loses_nothing(tmp_path: Path) -> None:
    """Redis gives up when it cannot keep what it is about to acknowledge."""
    with small_disk(tmp_path / "small", "4m") as disk:
        server = RedisServer(disk, durable=True).start()
        try:
            async with traffic_on(RedisSite(server), size=2_000) as traffic:
                with filled(disk, but=20_000):
                    await traffic.feel_it()
                server.kill()
                server.start()
        finally:
            server.kill()
    assert any(error.maybe_applied for error in traffic.errors)


async def test_a_primary_that_hands_over_is_left_for_the_new_one(tmp_path: Path) -> None:
    """The same address leads to the new primary, and the old one keeps its connections open."""
    servers = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        servers.append(RedisServer(tmp_path / name).start())
    old, new = servers
    try:
        with Proxy(old.port) as proxy:
            async with open_backend(proxy.url(old.url)) as backend, admin(old.port) as redis:
                await backend["setup.set"](id="s", value={"n": 1})
                await redis.execute_command("REPLICAOF", "127.0.0.1", new.port)
                proxy.target = new.port
                with pytest.raises(BackendError) as caught:
                    await backend["setup.set"](id="s", value={"n": 2})
                check_error(caught.value)
                assert not caught.value.maybe_applied
                await backend["setup.set"](id="s", value={"n": 3})
                assert await backend["setup.get"](id="s") == {"n": 3}
    finally:
        for server in servers:
            server.kill()


async def test_a_server_that_is_reached_late_does_not_lengthen_the_wait(redis_site: RedisSite) -> None:
    """The wait for a free connection, for a new one and for the answer are one wait."""
    with Proxy(redis_site.port) as proxy:
        limits: dict[str, Any] = {**redis_site.limits, "max_connections": 1}
        async with open_backend(proxy.url(redis_site.url), **limits) as backend:
            proxy.switch(Mode.BLACK_HOLE)
            begun = time.monotonic()
            async with Traffic(backend, limit=TIMEOUT) as traffic:
                await traffic.feel_it()
            assert time.monotonic() - begun >= TIMEOUT * 0.9
        assert traffic.ledger.acknowledged == 0
        assert sum(error.maybe_applied for error in traffic.errors) < len(traffic.errors)
