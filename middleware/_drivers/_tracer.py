"""What the instrumentations are given for a tracer: it lets through what is safe and stable, and nothing else.

They record exceptions with their texts and write the attribute names of before 2025. Rather than set process-wide
variables that change the application's other instrumentations too, they are given this.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanKind, StatusCode, Tracer, TracerProvider

from storescope.middleware._drivers._kinds import stable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from storescope.middleware._drivers._kinds import Driver


class DriverTracerProvider(TracerProvider):
    """Gives an instrumentation its tracer."""

    def __init__(self, provider: TracerProvider | None, driver: Driver) -> None:
        self._provider = provider
        self._driver = driver

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        # The instrumentation states the schema of the names that it would write. By name or the fourth in order.
        kwargs.pop("schema_url", None)
        provider = self._provider or trace.get_tracer_provider()
        return _DriverTracer(provider.get_tracer(*args[:3], **kwargs), self._driver)


class _DriverTracer(Tracer):
    def __init__(self, tracer: Tracer, driver: Driver) -> None:
        self._tracer = tracer
        self._driver = driver

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
        """Start a span, named after one of few operations, or the system if it is none of them."""
        del args
        operation = self._driver.operation(name)
        if operation is None:
            return INVALID_SPAN
        span = self._tracer.start_span(
            operation or self._driver.system,
            kwargs.get("context"),
            SpanKind.CLIENT,
            self._driver.at_start(operation, kwargs.get("attributes")),
        )
        return _DriverSpan(span, operation) if span.is_recording() else span

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Generator[Span]:  # type: ignore[override] # the base's decorator makes it usable as one too, which no instrumentation does
        """Start a span and put it in force. Of an exception only the class and the store's code are kept."""
        span = self.start_span(name, *args, **kwargs)
        if span is INVALID_SPAN:  # none is wanted: the caller's stays in force
            yield span
            return
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                if isinstance(span, _DriverSpan):
                    span.fail(error, self._driver.status_code(error))
                raise


class _DriverSpan(NonRecordingSpan):
    """What an instrumentation writes to: stable names pass, all else is dropped."""

    def __init__(self, span: Span, name: str) -> None:
        super().__init__(span.get_span_context())
        self._span = span
        self.name = name  # the redis instrumentation reads it

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def set_attribute(self, key: str, value: Any) -> None:
        for name, kept in stable(key, value).items():
            self._span.set_attribute(name, kept)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_status(self, status: Any, description: str | None = None) -> None:
        del description  # a driver's text
        self._span.set_status(getattr(status, "status_code", status))

    def fail(self, error: Exception, code: str) -> None:
        """Say what a command failed of, without its text."""
        self._span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
        if code:
            self._span.set_attribute("db.response.status_code", code)
        self._span.set_status(StatusCode.ERROR)

    def end(self, end_time: int | None = None) -> None:
        self._span.end(end_time)
