"""A `session.set` behind tracing, metrics, audit and region guard with labels, written inline by hand.

What `_inlined.py` is for a `session.get`, for a write: it leaves an intent before it touches the store and an
outcome after, and it looks at the label of what it replaces before it writes its own.
"""

from __future__ import annotations

import os
import time
from random import getrandbits
from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from storescope import InvalidRecordError, ResidencyError, current_context
from storescope.middleware._hmac import Hmac
from storescope.middleware._instruments import instruments_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from storescope import BackendInfo, Handler
    from storescope.middleware import Decision

_LABEL = "$residency"


def unlabelled(get: Handler, tenant: str, decision: Decision) -> Handler:
    """Return a `session.get` that checks the label of what it reads, and takes it off."""
    region = decision.backend_region

    async def session_get(*, id: str) -> Any:
        record = await get(id=id)
        if record is None:
            return None
        _check(record, {"region": region, "tenant": tenant, "session": id}, decision)
        return {name: value for name, value in record.items() if name != _LABEL}

    return session_get


def _check(record: dict[str, Any], label: dict[str, str | None], decision: Decision) -> None:
    if record.get(_LABEL) != label:
        raise ResidencyError("the label is not this tenant's and session's", decision)


def inlined_session_set(  # noqa: C901, PLR0913, PLR0915 (one function is the point)
    handlers: Mapping[str, Handler],
    backend: BackendInfo,
    *,
    tracer_provider: TracerProvider,
    registry: CollectorRegistry,
    audit_file: Path,
    decisions: dict[tuple[str | None, str | None], Decision],
) -> Callable[..., Awaitable[Any]]:
    """Return a `session.set` that does everything by hand.

    Args:
        handlers: The bare `session.get` and `session.set`.
        backend: What they store to.
        tracer_provider: Where spans go.
        registry: Where metrics go.
        audit_file: Where audit lines go.
        decisions: The policy's answers, by tenant and the call's region.
    """
    get, set_ = handlers["session.get"], handlers["session.set"]
    region = backend.region or "unknown"
    tracer = trace.get_tracer("inlined", tracer_provider=tracer_provider)
    static = {
        "db.operation.name": "set",
        "db.collection.name": "session",
        "db.system.name": backend.system,
        "db.namespace": backend.namespace,
        "server.address": backend.address,
        "server.port": backend.port,
        "agent_storage.backend.name": backend.label,
        "agent_storage.backend.region": region,
    }
    static = {name: value for name, value in static.items() if value}
    made = instruments_of(registry)
    labels = ("session.set", backend.label, region)
    in_flight = made.in_flight.labels(*labels)
    operations = {o: made.operations.labels(*labels, o) for o in ("ok", "error", "denied")}
    durations = {o: made.duration.labels(*labels, o) for o in ("ok", "error", "denied")}
    allowed = made.decisions.reasons.child("allow", "allowed", "eu-only", region)
    flow = made.decisions.flows.child("allow", region, region)
    handler_time = made.backend_duration.labels(*labels)
    counts = {"intent": 0, "outcome": 0}
    ids, chain = Hmac(os.urandom(32)), Hmac(os.urandom(32))
    descriptor = os.open(audit_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lock, mac = Lock(), bytes(32)
    backend_label = backend.label
    seq = 0
    second, second_text = -1, ""

    def append(  # noqa: PLR0913, PLR0917 (by hand, and as fast as it goes)
        phase: str,
        what: dict[str, Any],
        outcome: str | None,
        error: str | None,
        took: int | None,
        why: dict[str, str | None],
    ) -> None:
        nonlocal mac, seq, second, second_text
        with lock:
            now, nanos = divmod(time.time_ns(), 1_000_000_000)
            if now != second:
                second, second_text = now, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            seq += 1
            record = {
                "seq": seq,
                "stream": "20261122T233648Z-0123abcd",
                "ts": f"{second_text}.{nanos // 1000:06d}Z",
                "phase": phase,
                **what,
                "outcome": outcome,
                "error_type": error,
                "duration_us": took,
                **why,
            }
            body = orjson.dumps(record)[:-1]
            new_mac = chain.digest(mac + body)
            line = b'%b,"mac":"%b"}\n' % (body, new_mac.hex().encode())
            if os.write(descriptor, line) != len(line):
                raise OSError("the line was not written whole")
            mac = new_mac
        counts[phase] += 1

    async def session_set(*, id: str, value: dict[str, Any]) -> None:  # noqa: C901, PLR0912, PLR0915
        begun = time.perf_counter_ns()
        context = current_context()
        decision = decisions[context.tenant, context.region]
        refusal = _refusal_of(id, value)
        attributes: dict[str, Any] = dict(static)
        if refusal is None:
            attributes["gen_ai.conversation.id"] = id
        if context.tenant is not None:
            attributes["agent_storage.tenant"] = context.tenant
        if context.region is not None:
            attributes["agent_storage.caller.region"] = context.region
        span = tracer.start_span("session.set", None, SpanKind.CLIENT, attributes)
        token = otel_context.attach(set_span_in_context(span))
        in_flight.inc()
        outcome, error_type = "ok", None
        span_context = span.get_span_context()
        trace_id, span_id = f"{span_context.trace_id:032x}", f"{span_context.span_id:016x}"
        hashed = ids.digest(id.encode()).hex()[:32]
        what = {
            "call_id": f"{getrandbits(128):032x}",
            "attempt": context.attempt,
            "operation": "session.set",
            "actor": context.actor,
            "tenant": context.tenant,
            "caller_region": context.region or decision.caller_region,
            "backend": backend_label,
            "backend_region": region,
            "record": hashed,
            "session": hashed,
        }
        why = {
            "decision": decision.effect,
            "code": decision.code,
            "rule": decision.rule,
            "exception": decision.exception,
            "policy": decision.policy,
            "trace_id": trace_id,
            "span_id": span_id,
        }
        try:
            append("intent", what, None, None, None, why)
            if refusal is not None:
                raise refusal  # noqa: TRY301 (inline, as above)
            if not decision.allowed:
                raise ResidencyError(decision.explain(), decision)  # noqa: TRY301 (the same)
            label = {"region": region, "tenant": context.tenant, "session": id}
            called = time.perf_counter_ns()
            try:
                there = await get(id=id)
            finally:
                handler_time.observe((time.perf_counter_ns() - called) / 1e9)
            if there is not None:
                _check(there, label, decision)
            called = time.perf_counter_ns()
            try:
                await set_(id=id, value={**value, _LABEL: label})
            finally:
                handler_time.observe((time.perf_counter_ns() - called) / 1e9)
        except ResidencyError:
            outcome, error_type = "denied", "ResidencyError"
            raise
        except BaseException as error:
            outcome, error_type = "error", type(error).__qualname__
            raise
        finally:
            ended = time.perf_counter_ns()
            append("outcome", what, outcome, error_type, (ended - begun) // 1000, why)
            in_flight.dec()
            operations[outcome].inc()
            if span_context.trace_flags.sampled:
                durations[outcome].observe((ended - begun) / 1e9, {"trace_id": trace_id, "span_id": span_id})
            else:
                durations[outcome].observe((ended - begun) / 1e9)
            allowed.inc()
            flow.inc()
            otel_context.detach(token)
            if span.is_recording():
                span.set_attribute("agent_storage.outcome", outcome)
                if outcome != "ok":
                    span.set_attribute("error.type", error_type)
                    span.set_status(StatusCode.ERROR)
            span.end()

    return session_set


def _refusal_of(id_: Any, value: Any) -> InvalidRecordError | None:
    if not (isinstance(id_, str) and id_):
        return InvalidRecordError("id must be a non-empty string")
    if not isinstance(value, dict) or value.get("id", id_) != id_ or _LABEL in value:
        return InvalidRecordError("value must be a dict of this id, without a label")
    return None
