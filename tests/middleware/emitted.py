"""What a run emitted, in the terms of the reference page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from storescope.middleware import OpenTelemetrySink, StructlogSink, audit, metrics, tracing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope import Middleware
    from storescope.middleware import AuditLog
    from tests.otlp import Collected

TYPES = {str: "string", int: "int", bool: "boolean", float: "double"}


@dataclass
class Emitted:
    """Instruments that every stack of a run shares, and what they saw.

    Attributes:
        collected: What went over OTLP.
        registry: The metrics.
        events: The log lines: event -> keys.
        levels: Their levels.
        errors: The classes of storescope's errors that calls ended in.
        guards: Those that stay alive: only their policies have metrics.
    """

    collected: Collected
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    events: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    levels: dict[str, str] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)
    guards: list[Middleware] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._spans))
        exporter = OTLPSpanExporter(f"{self.collected.endpoint}/v1/traces")
        self.provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000))
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # the SDK's own
        self._log_provider = LoggerProvider(shutdown_on_exit=False)
        self._log_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    def layers(self, log: AuditLog, *guard: Middleware) -> list[Middleware]:
        """Return the layers of a stack, with the guard that is given."""
        sinks = StructlogSink(), OpenTelemetrySink(self._log_provider)
        observing = (
            tracing(tracer_provider=self.provider),
            metrics(registry=self.registry, sizes=True),
            audit(log, *sinks),
        )
        return [*observing, *guard]

    def keep_line(self, _: Any, method: str, event: Any) -> Any:
        """A structlog processor that keeps what there was to say."""
        name = event.pop("event")
        self.events[name] |= set(event)
        self.levels[name] = method
        raise structlog.DropEvent

    @property
    def spans(self) -> list[ReadableSpan]:
        """The storage spans."""
        return [span for span in self._spans.get_finished_spans() if _scope(span) == "storescope"]

    @property
    def driver_spans(self) -> list[ReadableSpan]:
        return [span for span in self._spans.get_finished_spans() if _scope(span) != "storescope"]

    @property
    def log_attributes(self) -> dict[str, set[str]]:
        """The attributes of audit records as OpenTelemetry's log records, and their types."""
        return types_of(record.log_record.attributes or {} for record in self._logs.get_finished_logs())

    @property
    def log_events(self) -> set[str]:
        return {record.log_record.event_name or "" for record in self._logs.get_finished_logs()}

    @property
    def metrics(self) -> dict[str, tuple[str, set[str]]]:
        """Each metric's name as the page has it -> type and labels."""
        found: dict[str, tuple[str, set[str]]] = {}
        for family in self.registry.collect():
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            if family.samples:
                found[name] = family.type, labels
        return found

    def label_values(self, label: str) -> set[str]:
        families = self.registry.collect()
        return {s.labels[label] for family in families for s in family.samples if label in s.labels and s.value}


def _scope(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def types_of(all_attributes: Iterable[Any]) -> dict[str, set[str]]:
    """Return each attribute's types, as OpenTelemetry calls them."""
    found: dict[str, set[str]] = defaultdict(set)
    for attributes in all_attributes:
        for name, value in attributes.items():
            found[name].add(TYPES[type(value)])
    return dict(found)


def subclasses(cls: type[Exception]) -> set[type[Exception]]:
    """Return every class below one, of storescope's own."""
    found: set[type[Exception]] = set()
    for below in cls.__subclasses__():
        if below.__module__.startswith("storescope"):
            found |= {below, *subclasses(below)}
    return found
