"""Trace context as text, for envelopes and logs. OpenTelemetry is imported where it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storescope._extras import require_extra

if TYPE_CHECKING:
    from storescope.context import CallContext


def traceparent_of(span_context: Any) -> str | None:
    """Return a `SpanContext` as a W3C traceparent; None if it is none, or not valid."""
    if span_context is None or not span_context.is_valid:
        return None
    flags = span_context.trace_flags & 0xFF
    return f"00-{span_context.trace_id:032x}-{span_context.span_id:016x}-{flags:02x}"


class TraceSource:
    """Puts the span that is in force into a call's context, as its parent in another process."""

    def __init__(self) -> None:
        self._current = require_extra("opentelemetry.trace", extra=None).get_current_span

    def fill(self, context: CallContext) -> CallContext:
        """Return the context with the parent; one that has a parent, or has none to get, stays as it is."""
        if context.traceparent is not None:
            return context
        span_context = self._current().get_span_context()
        traceparent = traceparent_of(span_context)
        if traceparent is None:
            return context
        state = span_context.trace_state.to_header() or None
        return replace(context, traceparent=traceparent, tracestate=state)
