"""One span per storage operation, with OpenTelemetry's stable database attributes."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from storescope.call import UNKNOWN_BACKEND
from storescope.errors import WrapError
from storescope.middleware._drivers import driver_spans_below
from storescope.middleware._log import telemetry_failed
from storescope.middleware._replay_spans import remote_parent, see_replays
from storescope.outcome import failure_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span, TracerProvider

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation

SessionIds: TypeAlias = Literal["clear", "hashed", "none"]


class Tracing:
    """The layer that `tracing` makes.

    Attributes:
        region: Where the spans go, for policies that rule on telemetry.
    """

    layer = "tracing"

    def __init__(
        self, tracer_provider: TracerProvider | None, session_ids: SessionIds, region: str | None
    ) -> None:
        self._tracer = trace.get_tracer("storescope", tracer_provider=tracer_provider)
        self._session_ids: SessionIds = session_ids
        self.region = region
        see_replays(tracer_provider)

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that puts a span around the next one."""
        spans = _Spans(self._tracer, self._session_ids, operation, backend)

        async def step(call: Call) -> Any:
            try:
                span, token = spans.start(call)
            except Exception as error:
                telemetry_failed("tracing", error)
                return await next_step(call)
            try:
                result = await next_step(call)
            except BaseException as error:
                otel_context.detach(token)
                spans.end_failed(span, call, error)
                raise
            otel_context.detach(token)
            spans.end_ok(span, call, result)
            return result

        return step


def tracing(
    *,
    tracer_provider: TracerProvider | None = None,
    session_ids: SessionIds = "clear",
    region: str | None = None,
) -> Tracing:
    """Make one span per storage operation.

    Args:
        tracer_provider: Where the spans go; the global provider if left out.
        session_ids: How `gen_ai.conversation.id` names the session: `clear`, `hashed` (BLAKE2b without a key: who
            can guess an id can confirm it), or `none`.
        region: Where the spans are kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.

    Returns:
        A middleware. Spans that cannot be made are logged and never break a call.

    Raises:
        WrapError: If `session_ids` is none of the three.
    """
    if session_ids not in {"clear", "hashed", "none"}:
        raise WrapError(f"tracing: session_ids must be clear, hashed or none, not {session_ids!r}")
    return Tracing(tracer_provider, session_ids, region)


class _Spans:
    """Starts and ends the spans of one operation on one backend; what never changes is worked out once."""

    def __init__(
        self, tracer: trace.Tracer, session_ids: SessionIds, operation: Operation, backend: BackendInfo
    ) -> None:
        self._tracer = tracer
        self._names_sessions = session_ids != "none"
        self._hashes_sessions = session_ids == "hashed"
        self._name = operation.name
        self._lists = operation.verb == "listBySession"
        self._static: dict[str, str | int] = {
            "db.operation.name": operation.verb,
            "db.collection.name": operation.entity,
            **_backend_attributes(backend),
        }
        self._members = {member: _backend_attributes(member) for member in backend.members}
        self._driver_below = driver_spans_below(backend)

    def start(self, call: Call) -> tuple[Span, Any]:
        """Start the span and put it in force; an unsampled one too, or driver spans below would become roots."""
        attributes: dict[str, Any] = dict(self._static)
        session_id = call.session_id
        if session_id is not None and self._names_sessions:
            named = hash_session_id(session_id) if self._hashes_sessions else session_id
            attributes["gen_ai.conversation.id"] = named if named.isascii() else _encodable(named)
        context = call.context
        tenant, region = context.tenant, context.region
        if tenant is not None:
            attributes["agent_storage.tenant"] = tenant if tenant.isascii() else _encodable(tenant)
        if region is not None:
            attributes["agent_storage.caller.region"] = region if region.isascii() else _encodable(region)
        if context.call_id is not None:  # of a durable step, the same in all its runs
            call_id = context.call_id
            attributes["agent_storage.call_id"] = call_id if call_id.isascii() else _encodable(call_id)
        if call.attempt != 1:
            attributes["agent_storage.attempt"] = call.attempt
        parent = None if context.traceparent is None else remote_parent(context)
        kind = SpanKind.INTERNAL if self._driver_below() else SpanKind.CLIENT
        span = self._tracer.start_span(self._name, parent, kind, attributes)
        call.span_context = span.get_span_context()
        return span, otel_context.attach(set_span_in_context(span, parent))

    def end_ok(self, span: Span, call: Call, result: Any) -> None:
        """End the span of a call that returned."""
        if not span.is_recording():
            return
        try:
            if self._lists:
                span.set_attribute("db.response.returned_rows", len(result))
            self._describe(span, call)
            span.set_attribute("agent_storage.outcome", "ok")
        except Exception as error:
            telemetry_failed("tracing", error)
        _end(span)

    def end_failed(self, span: Span, call: Call, raised: BaseException) -> None:
        """End the span of a call that raised. The exception's text stays out: it may hold record content."""
        if not span.is_recording():
            return
        try:
            failure = failure_of(call, raised)
            self._describe(span, call)
            span.set_attribute("agent_storage.outcome", failure.outcome)
            if failure.outcome != "cancelled":
                span.set_attribute("error.type", failure.error_type)
                code = failure.error_type.partition(":")[2]  # a driver's class and its store's code
                if code:
                    span.set_attribute("db.response.status_code", code)
            if failure.is_error:
                span.set_status(StatusCode.ERROR)
        except Exception as error:
            telemetry_failed("tracing", error)
        _end(span)

    def _describe(self, span: Span, call: Call) -> None:
        """Add what was learned on the way."""
        if call.backend is not None:
            span.set_attributes(self._members.get(call.backend) or _backend_attributes(call.backend))
        decision = call.decision
        if decision is not None and decision.effect != "allow":
            span.set_attribute("agent_storage.residency.decision", decision.effect)
            span.set_attribute("agent_storage.residency.code", decision.code)
            span.set_attribute("agent_storage.residency.rule", decision.rule or "none")


def _end(span: Span) -> None:
    try:
        span.end()
    except Exception as error:  # a span processor's own fault
        telemetry_failed("tracing", error)


def _backend_attributes(backend: BackendInfo) -> Mapping[str, str | int]:
    known: dict[str, str | int | None] = {
        "db.system.name": backend.system,
        "db.namespace": backend.namespace,
        "server.address": backend.address,
        "server.port": backend.port,
        "agent_storage.backend.name": "" if backend is UNKNOWN_BACKEND else backend.label,
        "agent_storage.backend.region": backend.region,
    }
    return {name: value for name, value in known.items() if value}


def _encodable(text: str) -> str:
    """Spell out half a surrogate pair, which a caller may put anywhere: OTLP exporters drop the attribute."""
    return text.encode(errors="backslashreplace").decode()


def hash_session_id(session_id: str) -> str:
    """Return what stands in a span for a session's id under `session_ids="hashed"`."""
    return blake2b(session_id.encode(errors="surrogatepass"), digest_size=16).hexdigest()
