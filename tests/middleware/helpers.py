"""A whole stack on instruments of its own, and what they saw."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from storescope import BackendInfo, RecordNotFoundError, wrap
from storescope.middleware import AuditLog, audit, metrics, region_guard, tracing
from tests.policies import EU_ONLY, REGION

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from storescope import Handlers, Middleware
    from storescope.middleware import AuditSink
    from storescope.middleware._audit._writing._options import Durability

BACKEND = BackendInfo(system="memory", name="own", region=REGION)


def memory_map() -> dict[str, Any]:
    """Return all fifteen handlers over a dict, as a team would write them."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}

    def handlers_of(entity: str) -> dict[str, Any]:
        async def get(*, id: str) -> Any:
            return rows.get((entity, id))

        async def set_(*, id: str, value: Any) -> None:
            rows[entity, id] = value

        async def update(*, id: str, updates: Any) -> Any:
            if (entity, id) not in rows:
                raise RecordNotFoundError(entity, id)
            rows[entity, id] = {**rows[entity, id], **updates}
            return rows[entity, id]

        async def list_by_session(*, session_id: str) -> Any:
            return [row for (kind, _), row in rows.items() if kind == entity and row["sessionId"] == session_id]

        return {"get": get, "set": set_, "update": update, "listBySession": list_by_session}

    verbs = {
        "session": ("get", "set", "update"),
        "message": ("get", "set", "update", "listBySession"),
        "part": ("get", "set", "listBySession"),
        "sandbox": ("get", "set", "update"),
        "setup": ("get", "set"),
    }
    return {f"{entity}.{verb}": handlers_of(entity)[verb] for entity, names in verbs.items() for verb in names}


@dataclass
class Seen:
    """The instruments of one stack.

    Attributes:
        log: The audit log.
        sinks: What else takes audit records.
        registry: The metrics.
        exporter: The spans.
        handlers: The wrapped map.
    """

    log: AuditLog
    sinks: Sequence[AuditSink] = ()
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    handlers: Handlers = field(default_factory=dict)

    def layers(self) -> dict[str, Middleware]:
        """Return the four layers, by name and in their order."""
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return {
            "tracing": tracing(tracer_provider=provider),
            "metrics": metrics(registry=self.registry),
            "audit": audit(self.log, *self.sinks),
            "region_guard": region_guard(EU_ONLY),
        }

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every audit record, in order."""
        paths = sorted(self.log.folder.glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def of_phase(self, phase: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["phase"] == phase]

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Return the samples of one name that are not 0."""
        found = (sample for family in self.registry.collect() for sample in family.samples)
        return [(sample.labels, sample.value) for sample in found if sample.name == name and sample.value]

    @property
    def exposition(self) -> str:
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call] # prometheus-client has no types
        return text.decode()


@contextmanager
def stack(
    handlers: Handlers,
    folder: Path,
    *extra: Middleware,
    durability: Durability = "group",
    sinks: Sequence[AuditSink] = (),
) -> Generator[Seen]:
    """Wrap a map in all four layers, with `extra` inside of them, and `sinks` beside the audit log."""
    with AuditLog.open(folder / "audit", durability=durability) as log:
        seen = Seen(log, sinks)
        seen.handlers = wrap(handlers, *seen.layers().values(), *extra, backend=BACKEND)
        yield seen
