"""The same work as tracing + metrics + audit + region guard, written inline by hand into one function.

This is the limit that a composition can come near to: no layers, no shared call object, constants bound in the
closure. It leaves out nothing: the same span and attributes, the same metric updates with exemplar, the same audit
bytes (every field, keyed hashes, MAC, one write), the same policy look-up, and whatever a call may bring that this
one does not: an id and a parent from an envelope, names that are not ASCII, a decision that ends, a full disk.
"""

from __future__ import annotations

import errno
import os
import time
from random import getrandbits
from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from storescope import AuditError, InvalidRecordError, ResidencyError, current_context
from storescope.middleware._hmac import Hmac
from storescope.middleware._instruments import instruments_of
from storescope.middleware._replay_spans import remote_parent

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
    errors = made.errors
    handler_time = made.backend_duration.labels("session.get", backend.label, region)
    audit_records = {"outcome": 0}
    ids, chain = Hmac(os.urandom(32)), Hmac(os.urandom(32))
    descriptor = os.open(audit_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lock, mac = Lock(), bytes(32)
    backend_label = backend.label
    seq = 0
    second, second_text = -1, ""
    size, asked_at, free = 0, 0, _free(audit_file)

    async def session_get(*, id: str) -> Any:  # noqa: C901, PLR0912, PLR0915
        nonlocal mac, seq, second, second_text, size, asked_at, free
        begun = time.perf_counter_ns()
        context = current_context()
        call_id = context.call_id or f"{getrandbits(128):032x}"
        sound = isinstance(id, str) and id != ""
        decision = decisions[context.tenant, context.region] if sound else None
        attributes: dict[str, Any] = dict(static)
        if sound:
            attributes["gen_ai.conversation.id"] = id if id.isascii() else _encodable(id)
        tenant, caller_region = context.tenant, context.region
        if tenant is not None:
            attributes["agent_storage.tenant"] = tenant if tenant.isascii() else _encodable(tenant)
        if caller_region is not None:
            named = caller_region if caller_region.isascii() else _encodable(caller_region)
            attributes["agent_storage.caller.region"] = named
        if context.call_id is not None:
            attributes["agent_storage.call_id"] = call_id if call_id.isascii() else _encodable(call_id)
        if context.attempt != 1:
            attributes["agent_storage.attempt"] = context.attempt
        parent = None if context.traceparent is None else remote_parent(context)
        span = tracer.start_span("session.get", parent, SpanKind.CLIENT, attributes)
        token = otel_context.attach(set_span_in_context(span, parent))
        in_flight.inc()
        outcome, error_type = "ok", None
        try:
            if decision is None:
                raise InvalidRecordError("id must be a non-empty string")  # noqa: TRY301 (inline, as above)
            if not decision.allowed or (decision.expires is not None and time.time() >= decision.expires):
                raise ResidencyError(decision.explain(), decision)  # noqa: TRY301 (the same)
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
            hashed = ids.digest(id.encode("utf-8", "surrogatepass")).hex()[:32] if sound else None
            effect = code = rule = exception = policy = None
            if decision is not None:
                effect, code, rule = decision.effect, decision.code, decision.rule
                exception, policy = decision.exception, decision.policy
                caller_region = caller_region or decision.caller_region
            with lock:
                if not 0 <= size - asked_at < _ASK_BYTES:
                    asked_at, free = size, _free(audit_file)
                if free < _RESERVE_BYTES:
                    raise OSError(errno.ENOSPC, "less than its reserve is free")
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
                    "caller_region": caller_region,
                    "backend": backend_label,
                    "backend_region": region,
                    "record": hashed,
                    "session": hashed,
                    "outcome": outcome,
                    "error_type": error_type,
                    "duration_us": (ended - begun) // 1000,
                    "decision": effect,
                    "code": code,
                    "rule": rule,
                    "exception": exception,
                    "policy": policy,
                    "trace_id": trace_id,
                    "span_id": span_id,
                }
                body = orjson.dumps(record)[:-1]
                new_mac = chain.digest(mac + body)
                line = b'%b,"mac":"%b"}\n' % (body, new_mac.hex().encode())
                if len(line) > _MOST_BYTES:
                    raise AuditError("the record is too long")
                if os.write(descriptor, line) != len(line):
                    raise OSError("the line was not written whole")
                mac = new_mac
                size += len(line)
            audit_records["outcome"] += 1
            in_flight.dec()
            if error_type is not None:
                errors.labels("session.get", backend_label, region, error_type).inc()
            operations[outcome].inc()
            if span_context.trace_flags.sampled:
                durations[outcome].observe((ended - begun) / 1e9, {"trace_id": trace_id, "span_id": span_id})
            else:
                durations[outcome].observe((ended - begun) / 1e9)
            if decision is not None:
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


_MEBIBYTE = 1024 * 1024
_ASK_BYTES, _RESERVE_BYTES, _MOST_BYTES = _MEBIBYTE, 16 * _MEBIBYTE, 15 * _MEBIBYTE


def _free(file: Path) -> int:
    """Return how much is free where a file lies, in bytes."""
    found = os.statvfs(file.parent)
    return found.f_bavail * found.f_frsize


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
