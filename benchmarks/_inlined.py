"""The same work as tracing + metrics + audit + region guard, written inline by hand into one function.

This is the limit that a composition can come near to: no layers, no shared call object, constants bound in the
closure. It leaves out nothing: the same span and attributes, the same metric updates with exemplar, the same audit
bytes (every field, keyed hashes, MAC, one write) and the same policy look-up.
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
from prometheus_client import Counter

from storescope import InvalidRecordError, ResidencyError, current_context
from storescope.middleware._hmac import Hmac
from storescope.middleware._instruments import instruments_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from storescope import BackendInfo
    from storescope.middleware import Decision


def inlined_session_get(  # noqa: C901, PLR0913, PLR0915 (one function is the point)
    handler: Callable[..., Awaitable[Any]],
    backend: BackendInfo,
    *,
    tracer_provider: TracerProvider,
    registry: CollectorRegistry,
    audit_file: Path,
    decisions: dict[tuple[str | None, str | None], Decision],
) -> Callable[..., Awaitable[Any]]:
    """Return a `session.get` that does everything by hand.

    Args:
        handler: The bare handler.
        backend: What it stores to.
        tracer_provider: Where spans go.
        registry: Where metrics go.
        audit_file: Where audit lines go.
        decisions: The policy's answers, by tenant and the call's region.
    """
    region = backend.region or "unknown"
    tracer = trace.get_tracer("inlined", tracer_provider=tracer_provider)
    static = {
        "db.operation.name": "get",
        "db.collection.name": "session",
        "db.system.name": backend.system,
        "agent_storage.backend.name": backend.label,
        "agent_storage.backend.region": region,
    }
    made = instruments_of(registry)
    in_flight = made.in_flight.labels("session.get", backend.label, region)
    operations = {
        o: made.operations.labels("session.get", backend.label, region, o) for o in ("ok", "error", "denied")
    }
    durations = {
        o: made.duration.labels("session.get", backend.label, region, o) for o in ("ok", "error", "denied")
    }
    allowed = made.decisions.reasons.child("allow", "allowed", "eu-only", region)
    flow = made.decisions.flows.child("allow", region, region)
    handler_time = made.backend_duration.labels("session.get", backend.label, region)
    audit_records = Counter("audit_records", "Audit records.", ["phase"], registry=registry).labels("outcome")
    ids, chain = Hmac(os.urandom(32)), Hmac(os.urandom(32))
    descriptor = os.open(audit_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lock, mac = Lock(), bytes(32)
    backend_label = backend.label
    seq = 0
    second, second_text = -1, ""

    async def session_get(*, id: str) -> Any:  # noqa: C901, PLR0912, PLR0915
        nonlocal mac, seq, second, second_text
        begun = time.perf_counter_ns()
        context = current_context()
        call_id = f"{getrandbits(128):032x}"
        refusal = None if isinstance(id, str) and id else InvalidRecordError("id must be a non-empty string")
        decision = decisions[context.tenant, context.region]
        attributes = dict(static)
        if refusal is None:
            attributes["gen_ai.conversation.id"] = id
        if context.tenant is not None:
            attributes["agent_storage.tenant"] = context.tenant
        if context.region is not None:
            attributes["agent_storage.caller.region"] = context.region
        span = tracer.start_span("session.get", None, SpanKind.CLIENT, attributes)
        token = otel_context.attach(set_span_in_context(span))
        in_flight.inc()
        outcome, error_type = "ok", None
        try:
            if refusal is not None:
                raise refusal  # noqa: TRY301 (inline, as above)
            if not decision.allowed:
                raise ResidencyError(decision.explain(), decision)  # noqa: TRY301
            called = time.perf_counter_ns()
            try:
                return await handler(id=id)
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
            span_context = span.get_span_context()
            trace_id, span_id = f"{span_context.trace_id:032x}", f"{span_context.span_id:016x}"
            hashed = ids.digest(id.encode()).hex()[:32]
            with lock:
                now, nanos = divmod(time.time_ns(), 1_000_000_000)
                if now != second:
                    second, second_text = now, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
                seq += 1
                record = {
                    "seq": seq,
                    "stream": "20261122T233648Z-0123abcd",
                    "ts": f"{second_text}.{nanos // 1000:06d}Z",
                    "phase": "outcome",
                    "call_id": call_id,
                    "attempt": context.attempt,
                    "operation": "session.get",
                    "actor": context.actor,
                    "tenant": context.tenant,
                    "caller_region": context.region or decision.caller_region,
                    "backend": backend_label,
                    "backend_region": region,
                    "record": hashed,
                    "session": hashed,
                    "outcome": outcome,
                    "error_type": error_type,
                    "duration_us": (ended - begun) // 1000,
                    "decision": decision.effect,
                    "code": decision.code,
                    "rule": decision.rule,
                    "exception": decision.exception,
                    "policy": decision.policy,
                    "trace_id": trace_id,
                    "span_id": span_id,
                }
                body = orjson.dumps(record)[:-1]
                new_mac = chain.digest(mac + body)
                line = b'%b,"mac":"%b"}\n' % (body, new_mac.hex().encode())
                if os.write(descriptor, line) != len(line):
                    raise OSError("the line was not written whole")
                mac = new_mac
            audit_records.inc()
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

    return session_get
