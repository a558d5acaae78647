"""The function that the stack is measured against leaves nothing out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from benchmarks._inlined import inlined_session_get
from benchmarks._stacks import BACKEND, POLICY, REGION, answer, bare_get
from storescope import InvalidRecordError, call_context, wrap
from storescope.middleware import AuditLog, audit, metrics, region_guard, tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

VARY = {"seq", "stream", "ts", "call_id", "duration_us", "trace_id", "span_id", "mac", "record", "session"}


class Seen:
    """What one contender leaves behind after a good and a refused call."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.registry = CollectorRegistry()
        self.records: list[dict[str, Any]] = []

    async def calls(self, get: Callable[..., Awaitable[Any]]) -> None:
        with call_context(tenant="acme", actor="bench", region=REGION):
            assert await get(id="s1") == {"id": "s1"}
            with pytest.raises(InvalidRecordError):
                await get(id="")

    @property
    def spans(self) -> list[tuple[Any, ...]]:
        finished = self.exporter.get_finished_spans()
        return [(s.name, s.kind, dict(s.attributes or {}), s.status.status_code) for s in finished]

    def read(self, path: Path) -> None:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        self.records = [record for record in records if record["phase"] == "outcome"]

    @property
    def samples(self) -> dict[str, float]:
        """The operations' counters, and how many durations were observed."""
        wanted = ("agent_storage_operations_total", "agent_storage_operation_duration_seconds_count")
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name in wanted and sample.value
        }


async def test_it_leaves_the_same_span_metrics_and_audit_record_as_the_stack(tmp_path: Path) -> None:
    by_hand, stacked = Seen(), Seen()
    await by_hand.calls(
        inlined_session_get(
            bare_get,
            BACKEND,
            tracer_provider=by_hand.provider,
            registry=by_hand.registry,
            audit_file=tmp_path / "by-hand.jsonl",
            decisions={("acme", REGION): answer("acme")},
        )
    )
    by_hand.read(tmp_path / "by-hand.jsonl")
    with AuditLog.open(tmp_path / "audit", durability="none") as log:
        layers = (
            tracing(tracer_provider=stacked.provider),
            metrics(registry=stacked.registry),
            audit(log),
            region_guard(POLICY),
        )
        await stacked.calls(wrap({"session.get": bare_get}, *layers, backend=BACKEND)["session.get"])
    stacked.read(next((tmp_path / "audit").glob("*.jsonl")))

    assert by_hand.spans == stacked.spans
    assert by_hand.samples == stacked.samples
    assert [list(record) for record in by_hand.records] == [list(record) for record in stacked.records]
    good, same = ({k: v for k, v in seen.records[0].items() if k not in VARY} for seen in (by_hand, stacked))
    assert good == same
