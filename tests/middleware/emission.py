"""One run of everything: the conformance suite through all four middlewares, every denial and every fault."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest import mock

import asyncpg
from redis.asyncio import Redis

from storescope import (
    BackendError,
    BackendInfo,
    CallContext,
    RecordTooLargeError,
    ResidencyError,
    StorageError,
    Store,
    call_context,
    wrap,
)
from storescope.backends import open_backend
from storescope.conformance import CASES, Case, Subject, run
from storescope.middleware import (
    AuditLog,
    PinRegistry,
    ResidencyPolicy,
    region_guard,
    route_by_region,
    timeout,
)
from storescope.middleware._log import _last_reported
from storescope.middleware._region._labels import FIELD
from storescope.middleware._region._pins._pin import IDENTITY, Fence, Pin, PinKey
from storescope.replays import Replay, report_replay
from tests.middleware.emission_log_lines import log_lines
from tests.policies import EU_ONLY, FORBIDDEN, REGION
from tests.region.policies import EU, US, sound
from tests.rounds import LONG

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Handlers
    from tests.middleware.emitted import Emitted

OWN = BackendInfo("memory", name="own", region=EU)


async def emit(seen: Emitted, folder: Path, *, redis_url: str, postgres_url: str, dynamodb_url: str) -> None:
    """Do everything once."""
    with AuditLog.open(folder / "audit", timeout=60) as log:
        async with open_backend(redis_url, region=REGION) as redis:
            handlers = wrap(redis, *seen.layers(log, region_guard(EU_ONLY)))
            await _conformance(handlers)
            await _retried(handlers)
        await _pipeline(redis_url)
        await _errors(seen, log)
        await _decisions(seen, log)
        await _labels(seen, log)
        await _pins(seen, log)
        await _postgres(seen, log, postgres_url)
        await _on_backend(seen, log, dynamodb_url)
        log_lines(seen, folder)
    await _call(seen, wrap({"session.set": _none}, *seen.layers(log), backend=OWN), "session.set", value={})


async def _none(**_: Any) -> None: ...


async def _call(seen: Emitted, handlers: Handlers, operation: str, **params: Any) -> None:
    """Make a call on record `r`, and keep what it ended in."""
    try:
        await handlers[operation](id="r", **params)
    except ResidencyError as denied:
        seen.errors.add(type(denied).__name__)
    except StorageError as error:
        seen.errors.add(type(error).__name__)


async def _conformance(handlers: Handlers) -> None:
    with call_context(tenant="acme", actor="agent", region=REGION):
        results = await run(Subject(handlers), tuple(case for case in CASES if _emits_more(case)))
    wrong = [f"{result.case.name}: {result.why}" for result in results if result.status != "pass"]
    assert not wrong, wrong


def _emits_more(case: Case) -> bool:
    """Return whether a case may emit what others do not.

    Telemetry does not see the content of records, and odd ids are the same to it whichever entity has them; a
    message has one of a session too.
    """
    theme = case.function.__module__.rpartition(".")[2]
    new = theme != "_values" and (theme != "_ids" or case.entity == "message")
    return not case.needs_reopen and (new or LONG)


async def _pipeline(url: str) -> None:
    async with Redis.from_url(url.split("?", maxsplit=1)[0]) as redis, redis.pipeline() as pipeline:
        for _ in range(2):
            pipeline.get("x")
        await pipeline.execute()


async def _retried(handlers: Handlers) -> None:
    context = CallContext(tenant="acme", region=REGION, call_id="id-of-a-step", attempt=2)
    await Store("message.listBySession", {"session_id": "s1"}, context).on(handlers)
    report_replay(Replay("message.listBySession", context, "00-" + 32 * "1" + "-" + 16 * "2" + "-01"))


async def _errors(seen: Emitted, log: AuditLog) -> None:
    async def hang(**_: Any) -> None:
        await asyncio.sleep(60)

    def failing(error: Exception) -> Any:
        async def fail(**_: Any) -> None:
            raise error

        return fail

    async def tried(handler: Any, *layers: Any, **params: Any) -> None:
        stack = wrap({"session.update": handler}, *seen.layers(log), *layers, backend=OWN)
        await _call(seen, stack, "session.update", **{"updates": {}, **params})

    driver_error = "sqlite3.OperationalError:SQLITE_FULL"
    await tried(failing(BackendError("full", driver_error=driver_error, maybe_applied=True)))
    await tried(failing(RecordTooLargeError("too large")))
    with suppress(ValueError):
        await tried(failing(ValueError("a user's own")))
    await tried(_none, updates=1)
    await tried(hang, timeout(0.01))
    with suppress(TimeoutError):
        await asyncio.wait_for(tried(hang), 0.01)
    async with open_backend("memory:", tenancy="required") as backend:
        handlers = wrap(backend, *seen.layers(log))
        await _call(seen, handlers, "session.get")
        with call_context(tenant="t"):
            await _call(seen, handlers, "session.update", updates={})


async def _decisions(seen: Emitted, log: AuditLog) -> None:
    """Make a call for each thing that the guard can say without looking at a record."""

    async def ask(
        info: BackendInfo = OWN, *, tenant: str | None = "acme", region: str | None = EU, caller: str | None = EU,
        **policy: Any,
    ) -> None:  # fmt: skip
        guard = region_guard(ResidencyPolicy.from_dict(sound(**policy)), caller_region=caller)
        seen.guards.append(guard)
        handlers = wrap({"session.get": _none}, *seen.layers(log, guard), backend=info)
        with call_context(tenant=tenant, region=region):
            await _call(seen, handlers, "session.get")

    await ask()
    await ask(tenant=None)
    await ask(tenant="nobody")
    await ask(BackendInfo("memory"))
    await ask(BackendInfo("memory", region="aws:ap-south-1"))
    await ask(BackendInfo("memory", region=EU, region_confidence="conflict"))
    await ask(min_confidence="attested")
    await ask(region=None, caller=None)
    await ask(caller=FORBIDDEN, exceptions=[])
    await ask(region=FORBIDDEN, exceptions=[])
    await ask(region=US)  # which the exception lets through
    await ask(region=FORBIDDEN, exceptions=[], mode="monitor")


async def _labels(seen: Emitted, log: AuditLog) -> None:
    """Write records behind the guard's back, each with another fault."""
    good = {"region": EU, "tenant": "acme", "session": "s"}
    faulty: list[Any] = [
        None,
        7,
        {**good, "tenant": "globex"},
        {**good, "region": US},
        {**good, "session": "t"},
        good,
    ]
    policy = ResidencyPolicy.from_dict(sound(exceptions=[]))
    async with open_backend("memory:", region=EU) as bare:
        for mixed in ("raise", "filter"):
            guard = region_guard(policy, caller_region=EU, label_keys=[b"k" * 16], mixed_lists=mixed)
            handlers = wrap(bare, *seen.layers(log, guard))
            for label in faulty:
                await bare["message.set"](id="r", value={"sessionId": "s", FIELD: label})
                with call_context(tenant="acme", region=EU):
                    await _call(seen, handlers, "message.get")
                    with suppress(ResidencyError):
                        await handlers["message.listBySession"](session_id="s")


async def _pins(seen: Emitted, log: AuditLog) -> None:
    """Touch what is pinned elsewhere and to others, what is busy, and what nobody knows of."""
    wide = {"store": ["eu", "us"], "access": ["eu"], "home": EU}
    policy = ResidencyPolicy.from_dict(
        sound(
            tenants={"acme": "wide", "globex": "wide"},
            rules={"wide": wide},
            exceptions=[],
            pins_unreachable="read_pinned",
        )
    )
    async with (
        open_backend("memory:", region=EU) as eu,
        open_backend("memory:", region=US) as us,
        await PinRegistry.open("memory:", wait_seconds=0.1) as pins,
    ):
        routed = wrap(route_by_region({EU: eu, US: us}, policy, pins=pins, caller_region=EU), *seen.layers(log))
        single = wrap(eu, *seen.layers(log, region_guard(policy, caller_region=EU, pins=pins)))
        here, there = PinKey("session", "here"), PinKey("session", "there")
        for key, region in ((PinKey("session", "r"), US), (here, EU), (there, US)):
            await pins.engine.put(key.pin, Pin(region, "acme").to_bytes())
        with call_context(tenant="globex", region=EU):
            await _call(seen, routed, "session.get")
        with call_context(tenant="acme", region=EU):
            await _call(seen, single, "session.get")
            await routed["message.set"](id="r", value={"sessionId": "here"})
            await _call(seen, routed, "message.set", value={"sessionId": "there"})
            fence = Fence("somebody", "move", {})
            await pins.engine.put(PinKey("sandbox", "r").pin, Pin(EU, "acme", fence=fence).to_bytes())
            await _call(seen, routed, "sandbox.get")
            split = Fence("nobody", "split", {"places": []})
            await pins.engine.put(PinKey("setup", "r").pin, Pin(EU, "acme", fence=split).to_bytes())
            await _call(seen, routed, "setup.get")
            await _call(seen, routed, "part.set", value={"sessionId": "here", "messageId": "r"})
            await _registry_trouble(seen, pins, routed)


async def _registry_trouble(seen: Emitted, pins: PinRegistry, routed: Handlers) -> None:
    """Let the leases end while the registry does not answer, and then lose it."""
    term = pins.leases.presence.term
    assert term is not None
    term.until = 0.0
    _last_reported.clear()  # other tests of this process have lost a registry too
    with mock.patch.object(pins.engine, "get", side_effect=BackendError("it is gone", retryable=True)):
        await _call(seen, routed, "setup.set", value={})
        await _call(seen, routed, "part.get")
    await pins.engine.delete(IDENTITY)
    await _call(seen, routed, "session.set", value={})
    async with await PinRegistry.open("memory:", lease_seconds=0.2) as other, asyncio.timeout(30):
        await other.leases.presence.join()
        with mock.patch.object(other.engine, "put", side_effect=BackendError("it is gone", retryable=True)):
            while "storescope.pins_unreachable" not in seen.events:  # noqa: ASYNC110 (a renewal in the background)
                await asyncio.sleep(0.02)


async def _on_backend(seen: Emitted, log: AuditLog, url: str) -> None:
    async with open_backend(url, region=EU) as backend:
        handlers = wrap(backend, *seen.layers(log))
        await _call(seen, handlers, "session.set", value={"a": 1})
        await _call(seen, handlers, "session.get")


async def _postgres(seen: Emitted, log: AuditLog, url: str) -> None:
    await _on_backend(seen, log, url)
    connection = await asyncpg.connect(url.split("?", maxsplit=1)[0])
    with suppress(asyncpg.PostgresError):
        await connection.execute("SELECT * FROM there_is_none")
    await connection.close()
