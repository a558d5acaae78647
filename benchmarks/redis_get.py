"""What the layers add to `session.get` on Redis, beside what OpenTelemetry's own instrumentation adds."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.trace import SpanKind, set_span_in_context

from benchmarks._result import Result, Row
from benchmarks._rounds import added, added_ratio, median, microseconds, ratio
from benchmarks._stacks import LAYERS, POLICY, REGION, provider, stack
from benchmarks._stores import one_core, started
from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import region_guard

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import TracerProvider

    from benchmarks._rounds import Work
    from storescope.backends import Backend

CALLS, ROUNDS = 100, 80  # short rounds, of which the median is not a neighbour's
BARE, THEIRS = "Redis session.get without any", "opentelemetry-instrumentation-redis"
SPAN = "one span by hand"
STACKS = {
    "tracing": ("tracing",),
    "metrics": ("metrics",),
    "tracing and metrics": ("tracing", "metrics"),
    "full stack": LAYERS,
}
LIMITS = {"tracing and metrics": 0.8, "full stack": 1.3}
"""Of what the instrumentation adds, with every call sampled; at 1 % both are only reported."""


async def run(folder: Path, *, calls: int = CALLS, rounds: int = ROUNDS) -> Result:
    """Measure each alone around the same backend, with spans that are built in full and go nowhere.

    One span by hand, with as many attributes as ours, is what any tracing costs at least. The full stack's records
    carry labels, as they do on Redis by default. Client and server share one core.
    """
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    with one_core(), started("redis", folder) as address:
        for sampling in ("sampled", "1 % sampled"):
            (folder / sampling).mkdir()
            raw[sampling] = await _measure(address, folder / sampling, sampling, calls, rounds)
            rows += _rows(raw[sampling], sampling)
    return Result("what is added to a Redis session.get", rows, raw)


async def _measure(address: str, folder: Path, sampling: str, calls: int, rounds: int) -> dict[str, list[float]]:
    with contextlib.ExitStack() as opened:
        opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
        async with (
            open_backend(address, region=REGION) as backend,
            open_backend(address, region=REGION) as theirs,
        ):
            guarded = wrap(backend, region_guard(POLICY))  # the guard lets nobody read what it has not labelled
            await guarded["session.set"](id="s1", value={"createdAt": 1, "lastMessageId": "m1"})
            instrument(theirs, provider(sampling))
            contenders: dict[str, Work] = {
                BARE: partial(backend["session.get"], id="s1"),
                THEIRS: partial(theirs["session.get"], id="s1"),
                SPAN: spanned(backend, provider(sampling)),
            }
            for name, layers in STACKS.items():
                get = opened.enter_context(stack(backend, folder, sampling, layers))
                contenders[name] = partial(get, id="s1")
            return await microseconds(contenders, calls=calls, rounds=rounds)


def instrument(backend: Backend, tracer_provider: TracerProvider) -> None:
    """Have OpenTelemetry make a span of every command of one Redis backend."""
    engine: Any = backend._engine  # noqa: SLF001 (the driver's client is nobody else's business)
    RedisInstrumentor.instrument_client(engine.server.client, tracer_provider=tracer_provider)


def spanned(backend: Backend, tracer_provider: TracerProvider) -> Work:
    """Return a call inside of a span with the attributes of ours, and nothing else around it."""
    tracer, get, info = tracer_provider.get_tracer("by hand"), backend["session.get"], backend.info
    attributes: dict[str, str | int] = {
        "db.operation.name": "get",
        "db.collection.name": "session",
        "db.system.name": info.system,
        "db.namespace": info.namespace,
        "server.address": info.address,
        "server.port": info.port or 0,
        "agent_storage.backend.name": info.label,
        "agent_storage.backend.region": REGION,
        "gen_ai.conversation.id": "s1",
        "agent_storage.tenant": "acme",
        "agent_storage.caller.region": REGION,
    }

    async def work() -> Any:
        span = tracer.start_span("session.get", None, SpanKind.CLIENT, attributes)
        token = attach(set_span_in_context(span))
        try:
            return await get(id="s1")
        finally:
            detach(token)
            span.set_attribute("agent_storage.outcome", "ok")
            span.end()

    return work


def _rows(figures: dict[str, list[float]], sampling: str) -> list[Row]:
    rows = [
        Row(f"{name}, {sampling}", median(values), ratio(figures, name, BARE)) for name, values in figures.items()
    ]
    for name in (THEIRS, SPAN, *STACKS):
        limit = LIMITS.get(name) if sampling == "sampled" else None
        share = added_ratio(figures, name, THEIRS, BARE)
        rows.append(Row(f"{name} adds, {sampling}", median(added(figures, name, BARE)), share, limit))
    return rows
