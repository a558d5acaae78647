"""The same measurements through OpenTelemetry's metrics API."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv.metrics import db_metrics
from prometheus_client import CollectorRegistry

from storescope import BackendError, BackendInfo, RecordNotFoundError, call_context, wrap
from storescope.middleware import metrics, region_guard
from tests.middleware.helpers import memory_map
from tests.middleware.reference_page import names, rows
from tests.policies import EU_ONLY, REGION

FULL = BackendInfo("redis", name="own", address="db.internal", port=6380, namespace="0", region=REGION)
CLIENT = {
    "db.system.name": "redis",
    "db.namespace": "0",
    "server.address": "db.internal",
    "server.port": 6380,
}
RECOMMENDED = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


class Read:
    """A provider, and what its reader sees."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    @property
    def metrics(self) -> dict[str, Any]:
        data: Any = self._reader.get_metrics_data()
        return {each.name: each for each in data.resource_metrics[0].scope_metrics[0].metrics}

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        points = self.metrics[name].data.data_points
        return [
            (dict(point.attributes), getattr(point, "count", None) or getattr(point, "value", 0))
            for point in points
        ]


async def traffic(handlers: Any) -> None:
    """Make calls of every outcome that needs no time."""
    with call_context(tenant="acme", region=REGION):
        await handlers["message.set"](id="m1", value={"sessionId": "s1"})
        await handlers["message.listBySession"](session_id="s1")
        with pytest.raises(RecordNotFoundError):
            await handlers["session.update"](id="none", updates={})
        with pytest.raises(BackendError):
            await handlers["setup.get"](id="x")
    with pytest.raises(Exception, match="denied"):
        await handlers["session.get"](id="x")


def stack(read: Read, registry: CollectorRegistry | None = None) -> Any:
    async def fail(*, id: str) -> None:
        raise BackendError("full", driver_error="redis.ResponseError:OOM")

    registry = registry or CollectorRegistry()
    layers = (
        metrics(registry=registry, sizes=True, meter_provider=read.provider),
        region_guard(EU_ONLY, labels="off"),
    )
    return wrap({**memory_map(), "setup.get": fail}, *layers, backend=FULL)


async def test_the_conventions_own_metric_is_as_they_say() -> None:
    read = Read()
    await traffic(stack(read))
    metric = read.metrics[db_metrics.DB_CLIENT_OPERATION_DURATION]
    assert metric.unit == "s"
    assert set(RECOMMENDED) <= set(metric.data.data_points[0].explicit_bounds)
    points = read.points("db.client.operation.duration")
    assert (
        {
            **CLIENT,
            "db.operation.name": "get",
            "db.collection.name": "setup",
            "error.type": "redis.ResponseError:OOM",
            "db.response.status_code": "OOM",
        },
        1,
    ) in points
    assert ({**CLIENT, "db.operation.name": "set", "db.collection.name": "message"}, 1) in points
    assert sum(count for _, count in points) == 5
    assert {frozenset(attributes) - {"error.type", "db.response.status_code"} for attributes, _ in points} == {
        frozenset({*CLIENT, "db.operation.name", "db.collection.name"})
    }


async def test_both_ways_of_measuring_agree() -> None:
    read, registry = Read(), CollectorRegistry()
    await traffic(stack(read, registry))
    here = {
        (f"{a['db.collection.name']}.{a['db.operation.name']}", a["agent_storage.outcome"]): value
        for a, value in read.points("agent_storage.operations")
    }
    samples = [s for f in registry.collect() for s in f.samples if s.name == "agent_storage_operations_total"]
    assert here == {(s.labels["operation"], s.labels["outcome"]): s.value for s in samples if s.value}
    assert {value for _, value in read.points("agent_storage.operations.active")} == {0}


async def test_the_page_lists_every_instrument_and_attribute() -> None:
    read = Read()
    await traffic(stack(read))
    listed = rows("OpenTelemetry metrics", "instrument")
    assert {name: (unit.strip("`"), names(attributes)) for name, (_, unit, attributes, _) in listed.items()} == {
        name: (metric.unit, {key for attributes, _ in read.points(name) for key in attributes})
        for name, metric in read.metrics.items()
    }


async def test_a_flood_of_error_types_becomes_other() -> None:
    async def fail(*, id: str) -> None:
        raise type(f"Error{id}", (Exception,), {})("a flood")

    read = Read()
    layer = metrics(registry=CollectorRegistry(), meter_provider=read.provider)
    get = wrap({"session.get": fail}, layer, backend=FULL)["session.get"]
    for number in range(100):
        with pytest.raises(Exception, match="a flood"):
            await get(id=str(number))
    kinds = {attributes["error.type"]: count for attributes, count in read.points("db.client.operation.duration")}
    assert len(kinds) == 51
    assert kinds["_OTHER"] == 50


async def test_a_meter_that_raises_breaks_no_call() -> None:
    read = Read()
    layer = metrics(registry=CollectorRegistry(), meter_provider=read.provider)
    assert layer._meter is not None
    layer._meter.active = layer._meter.duration = None  # type: ignore[assignment] # broken
    handlers = wrap(memory_map(), layer, backend=FULL)
    await handlers["session.set"](id="s1", value={"a": 1})
    assert await handlers["session.get"](id="s1") == {"a": 1}
