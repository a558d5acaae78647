"""A span for each call that a workflow engine answered from its log: it says so, and links to the first run's."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from storescope.middleware._log import telemetry_failed
from storescope.replays import add_replay_listener

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

    from storescope.context import CallContext
    from storescope.replays import Replay

_PROPAGATOR = TraceContextTextMapPropagator()


class ReplaySpans:
    """Makes the spans of one tracer provider."""

    def __init__(self, tracer_provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("storescope", tracer_provider=tracer_provider)

    def __call__(self, replay: Replay) -> None:
        """Make the span of a replay. It has no outcome: that is the first run's."""
        try:
            context = replay.context
            attributes: dict[str, Any] = {"agent_storage.replayed": True}
            if context.call_id is not None:
                attributes["agent_storage.call_id"] = context.call_id
            parent = None if context.traceparent is None else remote_parent(context)
            first = None if replay.traceparent is None else _extracted(replay.traceparent, None)
            links = [] if first is None else [Link(get_current_span(first).get_span_context())]
            self._tracer.start_span(replay.operation, parent, attributes=attributes, links=links).end()
        except Exception as error:
            telemetry_failed("tracing", error)


def remote_parent(context: CallContext) -> Context | None:
    """Return the parent that a call's context names, unless a span of this process is in force."""
    if get_current_span().get_span_context().is_valid:
        return None
    return _extracted(context.traceparent or "", context.tracestate)


def _extracted(traceparent: str, tracestate: str | None) -> Context:
    carrier = {"traceparent": traceparent, "tracestate": tracestate or ""}
    return _PROPAGATOR.extract(carrier, otel_context.get_current())


_made: WeakKeyDictionary[object, ReplaySpans] = WeakKeyDictionary()
_lock = Lock()


class _Global:
    """Stands for whatever provider is the global one."""


_GLOBAL = _Global()


def see_replays(tracer_provider: TracerProvider | None) -> None:
    """Have the provider get a span of each replay: one, however many layers it has, since a replay passes none."""
    key = _GLOBAL if tracer_provider is None else tracer_provider
    with _lock:
        if key not in _made:
            _made[key] = ReplaySpans(tracer_provider)
            add_replay_listener(_made[key])
