"""Nothing changes for the wrapped handlers: the same traffic returns and raises exactly what the bare map does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from prometheus_client import CollectorRegistry

from storescope import OPERATIONS, Middleware, Store, call_context, wrap
from storescope.middleware import AuditLog, audit, metrics, region_guard, timeout, tracing
from tests.audit.sinks import Slow, Taking
from tests.middleware.helpers import BACKEND, memory_map
from tests.policies import EU_ONLY, REGION
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope import Handlers

LAYERS: dict[str, Callable[[AuditLog], Middleware]] = {
    "tracing": lambda _: tracing(tracer_provider=TracerProvider(sampler=ALWAYS_ON)),
    "tracing, unsampled": lambda _: tracing(tracer_provider=TracerProvider(sampler=ALWAYS_OFF)),
    "metrics": lambda _: metrics(registry=CollectorRegistry()),
    "audit": audit,
    "audit, several sinks": lambda log: audit(log, Taking(), Slow(0), Slow(0)),
    "timeout": lambda _: timeout(60),
    "region_guard": lambda _: region_guard(EU_ONLY),
}


class TeamsOwnError(Exception):
    """What a team's handler raises."""


def odd_map() -> Handlers:
    """A map that misbehaves for some ids, in ways that the middleware must not mind."""
    sound = memory_map()

    def oddly(handler: Any) -> Any:
        async def handle(**params: Any) -> Any:
            name = str(params.get("id") or params.get("session_id"))
            if name == "raises":
                raise TeamsOwnError("a text of its own", params)
            if name == "raises a group":
                raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
            if name == "stops":
                raise StopAsyncIteration
            if name == "returns oddly":
                return 42
            if name == "returns nothing":
                return None
            return await handler(**params)

        return handle

    return {operation: oddly(handler) for operation, handler in sound.items()}


names = st.sampled_from(
    ["a", "b", "raises", "raises a group", "stops", "returns oddly", "returns nothing", "", "\ud800", "é\0"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
records = st.fixed_dictionaries({}, optional={"sessionId": names, "id": names, "x": values}) | values


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    operation = OPERATIONS[draw(st.sampled_from(sorted(OPERATIONS)))]
    kinds = {"id": names | values, "session_id": names | values, "value": records, "updates": records}
    return operation.name, {param: draw(kinds[param]) for param in operation.params}


async def told(handlers: Handlers, operation: str, params: dict[str, Any]) -> tuple[Any, ...]:
    """Return what an agent is told."""
    try:
        return "returned", repr(await Store(operation, params).on(handlers))
    except Exception as error:
        inner = [repr(each) for each in error.exceptions] if isinstance(error, ExceptionGroup) else []
        return "raised", type(error), repr(error.args), inner


@pytest.mark.unmeasured
@settings(max_examples=150 if LONG else 50, deadline=None)
@given(traffic=st.lists(calls(), max_size=12), chosen=st.sets(st.sampled_from(sorted(LAYERS))))
async def test_any_subset_of_the_middleware_is_transparent(
    traffic: list[tuple[str, dict[str, Any]]], chosen: set[str]
) -> None:
    once = {name.partition(",")[0]: name for name in sorted(chosen, reverse=bool(len(chosen) % 2))}
    names = [name for name in LAYERS if name in once.values()]
    with tempfile.TemporaryDirectory() as folder, AuditLog.open(Path(folder) / "audit", durability="none") as log:
        bare = odd_map()
        wrapped = wrap(odd_map(), *(LAYERS[name](log) for name in names), backend=BACKEND)
        with call_context(tenant="acme", region=REGION):
            for operation, params in traffic:
                assert await told(bare, operation, params) == await told(wrapped, operation, params)


async def test_the_very_exception_passes_through() -> None:
    error = TeamsOwnError("mine")

    async def fail(*, id: str) -> None:
        del id
        raise error

    with tempfile.TemporaryDirectory() as folder, AuditLog.open(Path(folder) / "audit") as log:
        layers = [make(log) for name, make in LAYERS.items() if name not in {"tracing", "audit"}]
        handlers = wrap({"session.get": fail}, *layers, backend=BACKEND)
        with call_context(tenant="acme", region=REGION), pytest.raises(TeamsOwnError) as raised:
            await handlers["session.get"](id="s1")
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
