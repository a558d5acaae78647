"""The bridge's own span of a request: between the agent's and those of the calls that the request asks for."""

from __future__ import annotations

from contextlib import contextmanager
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
    from collections.abc import Generator
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from starlette.types import Scope

    from storescope import CallContext

_TRACER = trace.get_tracer("storescope")
_FAULT = 500


@contextmanager
def request_span(scope: Scope, context: CallContext) -> Generator[None]:
    """Put a span around a request that was let in. A span that cannot be made breaks no request.

    Names and meanings are those of OpenTelemetry's stable HTTP conventions.
    """
    try:
        span, token = _start(scope, context)
    except Exception as error:
        telemetry_failed("tracing", error)
        yield
        return
    status = _FAULT
    try:
        yield
        status = 200
    except Refusal as refusal:
        status = refusal.status
        raise
    except StorageError as error:
        status = status_of(error)
        raise
    finally:
        otel_context.detach(token)
        _end(span, status)


def _start(scope: Scope, context: CallContext) -> tuple[Span, Token[Context]]:
    parent = None if context.traceparent is None else remote_parent(context)
    attributes = {
        "http.request.method": scope["method"],
        "http.route": scope["path"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    span = _TRACER.start_span(f"{scope['method']} {scope['path']}", parent, SpanKind.SERVER, attributes)
    return span, otel_context.attach(set_span_in_context(span, parent))


def _end(span: Span, status: int) -> None:
    try:
        span.set_attribute("http.response.status_code", status)
        if status >= _FAULT:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()
    except Exception as error:
        telemetry_failed("tracing", error)
