"""What backends count of themselves reaches the metrics, whoever came first, and goes when they close."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from storescope import BackendInfo, wrap
from storescope.backends import open_backend
from storescope.middleware import metrics
from storescope.reports import BackendReport

if TYPE_CHECKING:
    import pytest

    from tests.servers import RedisServer

INFO = BackendInfo(system="redis", name="counted", region="aws:eu-west-1")


def value(registry: CollectorRegistry, name: str, backend: str = "counted", region: str = "aws:eu-west-1") -> Any:
    return registry.get_sample_value(f"agent_storage_{name}", {"backend": backend, "region": region})


def listen() -> CollectorRegistry:
    registry = CollectorRegistry()
    wrap({}, metrics(registry=registry))
    return registry


def test_counts_from_before_and_after_the_listener_came_are_told() -> None:
    report = BackendReport()
    report.add("retries", 2)
    early = listen()
    report.begin(INFO)
    late = listen()
    report.add("retries")
    report.add("update_conflicts")
    report.set("connections_open", 3)
    for registry in (early, late):
        assert value(registry, "backend_retries_total") == 3
        assert value(registry, "update_conflicts_total") == 1
        assert value(registry, "connections_open") == 3
        assert value(registry, "connections_waiting") == 0


def test_two_backends_of_one_name_add_up_and_a_closed_one_goes() -> None:
    registry = listen()
    reports = [BackendReport(), BackendReport()]
    for report in reports:
        report.begin(INFO)
        report.set("connections_open", 2)
        report.set("connections_open", 5)
    assert value(registry, "connections_open") == 10
    reports[0].end()
    assert value(registry, "connections_open") == 5


async def test_what_never_happened_is_a_zero(backend_url: str) -> None:
    registry = listen()
    async with open_backend(backend_url, name="quiet", region="r"):
        for name in ("backend_retries_total", "update_conflicts_total", "connections_waiting"):
            assert value(registry, name, "quiet", "r") == 0
        assert value(registry, "connections_open", "quiet", "r") >= 0
    assert value(registry, "connections_open", "quiet", "r") == 0


async def test_zeros_are_told_to_who_comes_after_the_backend_was_opened(backend_url: str) -> None:
    async with open_backend(backend_url, name="early", region="r"):
        gc.collect()
        registry = listen()
        assert value(registry, "backend_retries_total", "early", "r") == 0
        assert value(registry, "connections_waiting", "early", "r") == 0


def test_a_registry_that_is_gone_is_told_nothing() -> None:
    listen()
    gc.collect()
    report = BackendReport()
    report.begin(INFO)
    report.add("retries")


async def test_postgres_counts_its_conflicts_and_connections(postgres_url: str) -> None:
    registry = listen()
    async with open_backend(postgres_url, name="pg", region="r", max_connections=3) as backend:
        await backend["session.set"](id="s", value={})
        made = 0
        while not value(registry, "update_conflicts_total", "pg", "r"):  # whether two meet is chance
            updates = (backend["session.update"](id="s", updates={f"f{n}": n}) for n in range(made, made + 30))
            await asyncio.gather(*updates)
            made += 30
        assert len(await backend["session.get"](id="s")) == made
        assert 1 <= value(registry, "connections_open", "pg", "r") <= 3
        assert value(registry, "connections_waiting", "pg", "r") == 0
    assert value(registry, "connections_open", "pg", "r") == 0


async def test_redis_sends_a_read_again_and_counts_its_connections(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = listen()
    async with open_backend(redis_server.url, name="cache", region="r") as backend:
        await backend["setup.set"](id="s", value={"a": 1})
        assert value(registry, "connections_open", "cache", "r") == 1
        client = backend._engine.server.client  # type: ignore[attr-defined] # only Redis has it
        get = client.hgetall
        tries: list[int] = []

        async def get_on_a_connection_that_fails_once(key: str) -> Any:
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionResetError
            return await get(key)

        monkeypatch.setattr(client, "hgetall", get_on_a_connection_that_fails_once)
        assert await backend["setup.get"](id="s") == {"a": 1}
        assert value(registry, "backend_retries_total", "cache", "r") == 1
    assert value(registry, "connections_open", "cache", "r") == 0


async def test_a_cluster_counts_its_connections_to_all_nodes(
    redis_cluster_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = listen()
    async with open_backend(redis_cluster_url, name="cluster", region="r") as backend:
        for number in range(30):
            await backend["setup.set"](id=f"s{number}", value={"a": number})
        assert 3 <= value(registry, "connections_open", "cluster", "r") <= 5  # one or two to ask for the nodes
        client = backend._engine._server.client  # type: ignore[attr-defined] # only Redis has it
        real = client.hgetall
        tries: list[int] = []

        async def get_on_a_connection_that_fails_once(key: str) -> Any:
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionResetError
            return await real(key)

        monkeypatch.setattr(type(client), "hgetall", staticmethod(get_on_a_connection_that_fails_once))
        assert await backend["setup.get"](id="s7") == {"a": 7}
        assert value(registry, "backend_retries_total", "cluster", "r") == 1
    assert value(registry, "connections_open", "cluster", "r") == 0
