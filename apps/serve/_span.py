"""The bridge's own span of a request: between the agent's and those of the calls that the request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from storescope.apps.serve._refusal import Refusal
from storescope.backends._problems import status_of
from storescope.errors import StorageError
from storescope.middleware._log import telemetry_failed
from storescope.middleware._replay_spans import remote_parent

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from storescope import CallContext

_OK, _FAULT = 200, 500


class RequestSpans:
    """Makes the spans of one endpoint; what never changes is worked out once.

    Names and meanings are those of OpenTelemetry's stable HTTP conventions.
    """

    def __init__(self, method: str, path: str) -> None:
        self._tracer = trace.get_tracer("storescope")
        self._name = f"{method} {path}"
        same = {"http.request.method": method, "http.route": path, "url.path": path}
        self._attributes = {scheme: {**same, "url.scheme": scheme} for scheme in ("http", "https")}

    def around(self, scheme: str, context: CallContext) -> _RequestSpan:
        """Return a span to put around a request that was let in, as a `with` block."""
        return _RequestSpan(self, scheme, context)

    def start(self, scheme: str, context: CallContext) -> tuple[Span, Token[Context]]:
        """Start a span and put it in force."""
        parent = None if context.traceparent is None else remote_parent(context)
        span = self._tracer.start_span(self._name, parent, SpanKind.SERVER, self._attributes[scheme])
        return span, otel_context.attach(set_span_in_context(span, parent))


class _RequestSpan:
    """A span for a block. One that cannot be made breaks no request."""

    __slots__ = ("_context", "_scheme", "_spans", "_started")

    def __init__(self, spans: RequestSpans, scheme: str, context: CallContext) -> None:
        self._spans = spans
        self._scheme = scheme
        self._context = context
        self._started: tuple[Span, Token[Context]] | None = None

    def __enter__(self) -> None:
        try:
            self._started = self._spans.start(self._scheme, self._context)
        except Exception as error:
            telemetry_failed("tracing", error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started is not None:
            span, token = self._started
            otel_context.detach(token)
            _end(span, _OK if error is None else _status_of(error))


def _status_of(error: BaseException) -> int:
    if isinstance(error, Refusal):
        return error.status
    return status_of(error) if isinstance(error, StorageError) else _FAULT


def _end(span: Span, status: int) -> None:
    try:
        span.set_attribute("http.response.status_code", status)
        if status >= _FAULT:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()
    except Exception as error:
        telemetry_failed("tracing", error)
