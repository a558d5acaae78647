"""The handler's own time is measured beside the whole call's: their difference is what the layers take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from storescope import OPERATIONS, BackendInfo, Call, Handlers, InvalidRecordError, wrap
from storescope.middleware import metrics

if TYPE_CHECKING:
    from storescope import Operation, Step

MEMBER = BackendInfo(system="redis", name="member", region="r")
ROUTER = BackendInfo(system="router", members=(MEMBER,))
HANDLER, LAYER = 0.01, 0.02


async def slow_get(*, id: str) -> Any:
    del id
    await asyncio.sleep(HANDLER)


def slow_layer(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
    async def step(call: Call) -> Any:
        await asyncio.sleep(LAYER)
        return await next_step(call)

    return step


def seconds(registry: CollectorRegistry, part: str = "sum", name: str = "member") -> float | None:
    labels = {"operation": "session.get", "backend": name, "region": "r"}
    return registry.get_sample_value(f"agent_storage_backend_duration_seconds_{part}", labels)


async def test_layers_inside_of_metrics_are_left_out() -> None:
    registry = CollectorRegistry()
    get = wrap({"session.get": slow_get}, metrics(registry=registry), slow_layer, backend=MEMBER)["session.get"]
    assert seconds(registry, "count") == 0
    await get(id="s1")
    whole = {"operation": "session.get", "backend": "member", "region": "r", "outcome": "ok"}
    duration = registry.get_sample_value("agent_storage_operation_duration_seconds_sum", whole)
    assert duration is not None
    assert HANDLER * 0.9 <= (seconds(registry) or 0) <= duration - LAYER * 0.9


async def test_what_the_guard_looks_up_is_charged_to_the_call_that_it_looks_for() -> None:
    def guard(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            asked = Call(OPERATIONS["session.get"], {"id": "s1"}, call.context)
            asked.made_for = call
            await steps["session.get"](asked)
            return await next_step(call)

        if operation.name == "session.get":
            steps["session.get"] = next_step
            return next_step
        return step

    async def put(*, id: str, value: Any) -> None: ...

    steps: dict[str, Step] = {}
    registry = CollectorRegistry()
    handlers: Handlers = {"session.get": slow_get, "session.set": put}
    await wrap(handlers, metrics(registry=registry), guard, backend=MEMBER)["session.set"](id="s1", value={})
    assert seconds(registry, "count") == 0
    labels = {"operation": "session.set", "backend": "member", "region": "r"}
    assert registry.get_sample_value("agent_storage_backend_duration_seconds_count", labels) == 2


async def test_a_refused_call_never_reaches_the_handler() -> None:
    registry = CollectorRegistry()
    get = wrap({"session.get": slow_get}, metrics(registry=registry), backend=MEMBER)["session.get"]
    with pytest.raises(InvalidRecordError):
        await get(id="")
    assert seconds(registry, "count") == 0


async def test_the_backend_that_a_router_chose_is_charged() -> None:
    def router(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        async def step(call: Call) -> Any:
            call.backend = MEMBER
            return await next_step(call)

        return step

    registry = CollectorRegistry()
    await wrap({"session.get": slow_get}, metrics(registry=registry), router, backend=ROUTER)["session.get"](
        id="s1"
    )
    assert seconds(registry, "count") == 1
