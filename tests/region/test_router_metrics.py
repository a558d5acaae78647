"""Behind a router, the time of the handlers is measured too, and only theirs, for the backend that was used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import BackendInfo, ResidencyError, call_context, wrap
from storescope.middleware import PinRegistry, metrics, route_by_region
from tests.region.policies import EU, US
from tests.region.test_pins import POLICY

HANDLER = 0.02


def store(region: str, rows: dict[str, Any]) -> Any:
    async def get(*, id: str) -> Any:
        await asyncio.sleep(HANDLER)
        return rows.get(id)

    async def put(*, id: str, value: Any) -> None:
        await asyncio.sleep(HANDLER)
        rows[id] = value

    info = BackendInfo("dict", name=region, region=region, keeps_labels=True)
    return wrap({"session.get": get, "session.set": put}, backend=info)


async def test_the_handlers_of_the_member_are_timed_and_nothing_else() -> None:
    """Two looks and one write of 20 ms each are charged to the one call; a denied call has no time at all."""
    registry = CollectorRegistry()

    def sample(name: str, operation: str, backend: str, **more: str) -> float:
        labels = {"operation": operation, "backend": backend, "region": more.pop("region", backend), **more}
        return registry.get_sample_value(f"agent_storage_{name}", labels) or 0.0

    async with await PinRegistry.open("memory:") as pins:
        routed = route_by_region({EU: store(EU, {}), US: store(US, {})}, POLICY, pins=pins, caller_region=EU)
        handlers = wrap(routed, metrics(registry=registry))
        with call_context(tenant="globex"):
            await handlers["session.set"](id="s", value={})
        with call_context(tenant="acme"), pytest.raises(ResidencyError, match="another tenant"):
            await handlers["session.get"](id="s")
    assert sample("backend_duration_seconds_count", "session.set", US) == 1
    took = sample("backend_duration_seconds_sum", "session.set", US)
    whole = sample("operation_duration_seconds_sum", "session.set", US, outcome="ok")
    assert 3 * HANDLER * 0.9 <= took < whole
    assert sample("backend_duration_seconds_count", "session.set", EU) == 0
    for backend in (EU, US):
        assert sample("backend_duration_seconds_count", "session.get", backend) == 0
    assert sample("backend_duration_seconds_count", "session.get", "router", region="unknown") == 0
