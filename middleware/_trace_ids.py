"""The ids of the span that a call runs in, formatted once for exemplars and audit records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span

from storescope.call import TraceIds

if TYPE_CHECKING:
    from storescope.call import Call


def trace_ids(call: Call) -> TraceIds | None:
    """Return the ids of the call's span, or of the caller's where no tracing layer made one; None without."""
    ids = call.trace
    if ids is None:
        context = call.span_context or get_current_span().get_span_context()
        if context.is_valid:
            # `sampled` is one bit of the flags: the SDK sets the random-id bit beside it.
            ids = call.trace = TraceIds(
                f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled
            )
    return ids
