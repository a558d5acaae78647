"""Driver spans below the storage spans: OpenTelemetry's own instrumentations, with stable names and no values.

As of 0.66b2 the redis instrumentation names a pipeline's span after all its commands, copies search results into
attributes, records exceptions with their text, and writes the attribute names of before 2025. Rather than set
process-wide variables that change the application's other instrumentations too, it is given a tracer that lets
through what is listed here and nothing else.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, StatusCode, Tracer, TracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from storescope.call import BackendInfo

_PIPELINE = "PIPELINE"

# Old name -> stable name of the database and network conventions 1.26 and later.
_RENAMED = {
    "db.system": "db.system.name",
    "db.redis.database_index": "db.namespace",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "net.transport": "network.transport",
    "db.redis.pipeline_length": "db.operation.batch.size",
}
_ALLOWED = frozenset(_RENAMED.values())
_TRANSPORTS = {"ip_tcp": "tcp", "other": "unix"}


def instrument_drivers(*, tracer_provider: TracerProvider | None = None) -> tuple[str, ...]:
    """Turn on the driver spans below the storage spans, for the whole process.

    Statements, keys and values stay out of them, exception texts too. Calling it again changes nothing.

    Args:
        tracer_provider: Where the spans go; the global provider if left out.

    Returns:
        The drivers that are instrumented now.
    """
    instrumentor = RedisInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(tracer_provider=_DriverTracerProvider(tracer_provider, "redis"))
    return ("redis",)


def driver_spans_below(backend: BackendInfo) -> Callable[[], bool]:
    """Return a function that tells whether the backend's driver makes spans of its own right now."""
    if "redis" in {backend.system, *(member.system for member in backend.members)}:
        instrumentor = RedisInstrumentor()
        return lambda: instrumentor.is_instrumented_by_opentelemetry
    return lambda: False


class _DriverTracerProvider(TracerProvider):
    """Gives an instrumentation a tracer that lets through only what is safe and stable."""

    def __init__(self, provider: TracerProvider | None, system: str) -> None:
        self._provider = provider
        self._system = system

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        kwargs.pop("schema_url", None)  # the instrumentation states the schema of the names that it would write
        provider = self._provider or trace.get_tracer_provider()
        return _DriverTracer(provider.get_tracer(*args, **kwargs), self._system)


class _DriverTracer(Tracer):
    def __init__(self, tracer: Tracer, system: str) -> None:
        self._tracer = tracer
        self._system = system

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
        """Start a span; a pipeline's, whose name lists every command, is called `PIPELINE`."""
        del args
        command = _PIPELINE if " " in name else name
        span = self._tracer.start_span(
            command,
            kwargs.get("context"),
            SpanKind.CLIENT,
            {"db.system.name": self._system, "db.operation.name": command},
        )
        return _DriverSpan(span, command) if span.is_recording() else span

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Generator[Span]:  # type: ignore[override] # the base's decorator makes it usable as one too, which no instrumentation does
        """Start a span and put it in force. Of an exception only the class is kept."""
        span = self.start_span(name, *args, **kwargs)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
                span.set_status(StatusCode.ERROR)
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
        key = _RENAMED.get(key, key)
        if key == "error.type":
            self._span.set_attribute(key, value)
        elif key in _ALLOWED:
            self._span.set_attribute(key, _stable(key, value))

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_status(self, status: Any, description: str | None = None) -> None:
        del description  # a driver's text
        self._span.set_status(getattr(status, "status_code", status))

    def end(self, end_time: int | None = None) -> None:
        self._span.end(end_time)


def _stable(key: str, value: Any) -> Any:
    if key == "db.namespace":
        return str(value)
    if key == "network.transport":
        return _TRANSPORTS.get(value, value)
    return value
