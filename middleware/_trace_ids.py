"""The ids of the span that a call runs in, formatted once for exemplars and audit records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span

if TYPE_CHECKING:
    from storescope.call import Call, TraceIds


def trace_ids(call: Call) -> TraceIds | None:
    """Return the ids of the call's span, or of the caller's where no tracing layer made one; None without.

    They stay in `call.trace`, so that a layer asks `call.trace or trace_ids(call)`.
    """
    context = call.span_context or get_current_span().get_span_context()
    if not context.is_valid:
        return None
    # `sampled` is one bit of the flags: the SDK sets the random-id bit beside it.
    ids = f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled
    call.trace = ids
    return ids
