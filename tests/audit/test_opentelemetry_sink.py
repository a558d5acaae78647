"""Audit records as OpenTelemetry log records, exported over OTLP/HTTP for real."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from storescope import AuditError, CallContext, ResidencyError, Store, wrap
from storescope.middleware import OpenTelemetrySink, audit, region_guard, tracing
from tests.audit.logs import BACKEND, HANDLERS
from tests.otlp import Received, receiving
from tests.policies import EU_ONLY, FORBIDDEN, REGION

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from storescope import Handlers, Middleware


class Collector:
    """What an OTLP/HTTP endpoint was sent, and a provider that exports to it."""

    def __init__(self, received: Received) -> None:
        self.received = received
        self.provider = LoggerProvider(shutdown_on_exit=False)
        exporter = OTLPLogExporter(f"{received.endpoint}/v1/logs", compression=Compression.Gzip)
        self.provider.add_log_record_processor(BatchLogRecordProcessor(exporter))

    @property
    def records(self) -> list[LogRecord]:
        """What has arrived, once everything was sent."""
        assert self.provider.force_flush()
        assert set(self.received.encodings) <= {"gzip"}
        return [
            record
            for request in self.received.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
            if scope.scope.name == "storescope"
        ]


@pytest.fixture
def collector() -> Generator[Collector]:
    with receiving("/v1/logs", ExportLogsServiceRequest, ExportLogsServiceResponse) as received:
        made = Collector(received)
        yield made
        made.provider.shutdown()


def stack(provider: LoggerProvider | None, folder: Path, *outside: Middleware) -> Handlers:
    layer = audit(OpenTelemetrySink(provider), id_key=folder / "id.key")
    return wrap(HANDLERS, *outside, layer, region_guard(EU_ONLY), backend=BACKEND)


def attributes_of(record: LogRecord) -> dict[str, Any]:
    values = ((each.key, each.value) for each in record.attributes)
    return {key: getattr(value, value.WhichOneof("value") or "") for key, value in values}


def attempt(operation: str = "session.set", region: str = REGION, **context: Any) -> Store:
    params = {"id": "s1", "value": {"text": "canary"}} if operation == "session.set" else {"id": "s1"}
    return Store(operation, params, CallContext(tenant="acme", region=region, **context))


async def test_a_write_arrives_as_two_events_with_the_names_that_spans_have(
    collector: Collector, tmp_path: Path
) -> None:
    before = time.time_ns()
    await attempt(actor="Ann", call_id="c1").on(stack(collector.provider, tmp_path))
    intent, outcome = collector.records
    assert (intent.event_name, outcome.event_name) == ("storescope.audit.intent", "storescope.audit.outcome")
    assert before <= intent.time_unix_nano <= outcome.time_unix_nano <= time.time_ns()
    assert (intent.severity_text, outcome.severity_text) == ("INFO", "INFO")
    assert intent.body.WhichOneof("value") is None
    said = attributes_of(outcome)
    duration, policy = said.pop("agent_storage.audit.duration_us"), said.pop("agent_storage.audit.policy")
    hashed = said["agent_storage.audit.session"]
    assert isinstance(duration, int)
    assert policy == EU_ONLY.digest
    assert len(hashed) == 32
    assert said == {
        "db.operation.name": "set",
        "db.collection.name": "session",
        "agent_storage.attempt": 1,
        "agent_storage.tenant": "acme",
        "agent_storage.caller.region": REGION,
        "agent_storage.backend.name": "memory",
        "agent_storage.backend.region": REGION,
        "agent_storage.outcome": "ok",
        "agent_storage.residency.decision": "allow",
        "agent_storage.residency.code": said["agent_storage.residency.code"],
        "agent_storage.residency.rule": "eu-only",
        "agent_storage.audit.call_id": "c1",
        "agent_storage.audit.actor": "Ann",
        "agent_storage.audit.record": hashed,
        "agent_storage.audit.session": hashed,
    }
    assert b"canary" not in b"".join(request.SerializeToString() for request in collector.received.requests)


async def test_a_denial_warns_and_an_error_is_one(collector: Collector, tmp_path: Path) -> None:
    handlers = stack(collector.provider, tmp_path)
    with pytest.raises(ResidencyError):
        await attempt(region=FORBIDDEN).on(handlers)

    async def fail(*, id: str) -> None:
        raise ValueError("canary")

    failing = wrap({"session.get": fail}, audit(OpenTelemetrySink(collector.provider), id_key=tmp_path / "id.key"))
    with pytest.raises(ValueError, match="canary"):
        await attempt("session.get").on(failing)
    seen = [(record.severity_text, attributes_of(record).get("error.type")) for record in collector.records]
    assert seen == [("INFO", None), ("WARN", "ResidencyError"), ("ERROR", "ValueError")]


@pytest.mark.parametrize(("sampler", "flags"), [(ALWAYS_ON, 1), (ALWAYS_OFF, 0)])
async def test_it_carries_the_calls_own_trace(
    sampler: Any, flags: int, collector: Collector, tmp_path: Path
) -> None:
    provider = TracerProvider(sampler=sampler)
    handlers = stack(collector.provider, tmp_path, tracing(tracer_provider=provider))
    with provider.get_tracer("agent").start_as_current_span("agent") as above:
        await attempt().on(handlers)
    intent, outcome = collector.records
    assert intent.trace_id.hex() == f"{above.get_span_context().trace_id:032x}"
    assert intent.span_id == outcome.span_id != above.get_span_context().span_id.to_bytes(8, "big")
    assert outcome.flags & 1 == flags


async def test_the_ids_are_the_records_whichever_span_is_in_force(collector: Collector) -> None:
    sink = OpenTelemetrySink(collector.provider)
    trace, span = "ab" * 16, "cd" * 8
    text = f'"phase":"outcome","operation":"session.get","outcome":"ok","trace_id":"{trace}","span_id":"{span}"'
    with TracerProvider().get_tracer("agent").start_as_current_span("another"):
        sink.put("outcome", text, durable=False)
    (record,) = collector.records
    assert (record.trace_id.hex(), record.span_id.hex()) == (trace, span)
    assert not {"agent_storage.audit.trace_id", "agent_storage.audit.span_id"} & set(attributes_of(record))


async def test_nothing_that_a_caller_says_can_lose_a_batch(collector: Collector, tmp_path: Path) -> None:
    handlers = stack(collector.provider, tmp_path)
    await attempt("session.get", actor="\ud800\0é", call_id="\udfff", attempt=10**30).on(handlers)
    await attempt("session.get").on(handlers)
    odd, plain = (attributes_of(record) for record in collector.records)
    assert odd["agent_storage.audit.actor"] == "\\ud800\0é"
    assert odd["agent_storage.audit.call_id"] == "\\udfff"
    assert odd["agent_storage.attempt"] == str(10**30)
    assert plain["agent_storage.attempt"] == 1


async def test_logs_that_go_nowhere_take_no_record(tmp_path: Path) -> None:
    """The API's default is to swallow all of them without a word."""
    for provider in (None, LoggerProvider(shutdown_on_exit=False)):
        with pytest.raises(AuditError, match="takes no logs: set up a LoggerProvider"):
            await attempt().on(stack(provider, tmp_path))


async def test_a_processor_that_raises_is_an_audit_error_without_its_text(tmp_path: Path) -> None:
    class Broken(LogRecordProcessor):
        def on_emit(self, log_record: Any) -> None:
            raise OSError(28, "canary")

        def shutdown(self) -> None: ...

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return True

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Broken())
    with pytest.raises(AuditError, match=r"^the OpenTelemetry logger failed: OSError$") as raised:
        await attempt().on(stack(provider, tmp_path))
    assert raised.value.__cause__ is None
