"""One span per storage operation, with what samplers need at start and nothing that nobody may see."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

from storescope import BackendInfo, Call, CallContext, Handlers, RecordNotFoundError, Store, WrapError, wrap
from storescope.middleware import AuditLog, audit, metrics, tracing
from storescope.middleware import _log as own_log
from tests.audit.logs import records_of
from tests.middleware.helpers import BACKEND, memory_map, stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opentelemetry.context import Context

    from storescope import Operation, Step


class Traced:
    """A provider whose finished spans can be read."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def wrap(self, handlers: Handlers, **options: Any) -> Handlers:
        return wrap(handlers, tracing(tracer_provider=self.provider, **options), backend=FULL)

    @property
    def one(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span


FULL = BackendInfo("redis", name="own", address="db.internal", port=6380, namespace="0", region="aws:eu-west-1")


class Remembers(Sampler):
    """Keeps what a sampler is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, SpanKind | None, dict[str, Any]]] = []

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        self.shown.append((name, kind, dict(attributes or {})))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "remembers"


async def test_what_samplers_use_is_there_at_start() -> None:
    sampler = Remembers()
    handlers = Traced(sampler).wrap(memory_map())
    context = CallContext(tenant="acme", region="aws:eu-central-1", attempt=2)
    await Store("message.set", {"id": "m1", "value": {"sessionId": "s1"}}, context).on(handlers)
    assert sampler.shown == [
        (
            "message.set",
            SpanKind.CLIENT,
            {
                "db.system.name": "redis",
                "db.operation.name": "set",
                "db.collection.name": "message",
                "db.namespace": "0",
                "server.address": "db.internal",
                "server.port": 6380,
                "gen_ai.conversation.id": "s1",
                "agent_storage.tenant": "acme",
                "agent_storage.caller.region": "aws:eu-central-1",
                "agent_storage.backend.name": "own",
                "agent_storage.backend.region": "aws:eu-west-1",
                "agent_storage.attempt": 2,
            },
        )
    ]


async def test_what_is_not_known_is_left_out() -> None:
    sampler = Remembers()
    provider = Traced(sampler).provider
    await wrap(memory_map(), tracing(tracer_provider=provider))["message.get"](id="m1")
    assert sampler.shown[0][2] == {
        "db.system.name": "unknown",
        "db.operation.name": "get",
        "db.collection.name": "message",
    }


@pytest.mark.parametrize(("mode", "known"), [("clear", True), ("hashed", True), ("none", False)])
async def test_session_ids_stand_as_asked(mode: str, known: bool) -> None:
    traced = Traced()
    await traced.wrap(memory_map(), session_ids=mode)["session.get"](id="s\ud800")
    seen = (traced.one.attributes or {}).get("gen_ai.conversation.id")
    assert (seen is not None) == known
    assert (seen == "s\\ud800") == (mode == "clear")  # spelled out: exporters refuse half a pair


def test_another_mode_is_refused() -> None:
    wrong: Any = "rot13"
    with pytest.raises(WrapError, match="clear, hashed or none"):
        tracing(session_ids=wrong)


async def test_a_list_says_how_many_it_returned() -> None:
    traced = Traced()
    handlers = traced.wrap(memory_map())
    await handlers["part.set"](id="p1", value={"sessionId": "s1"})
    traced.exporter.clear()
    await handlers["part.listBySession"](session_id="s1")
    assert (traced.one.attributes or {})["db.response.returned_rows"] == 1


async def test_a_missing_record_is_no_fault() -> None:
    traced = Traced()
    with pytest.raises(RecordNotFoundError):
        await traced.wrap(memory_map())["session.update"](id="s1", updates={})
    assert traced.one.status.status_code is StatusCode.UNSET
    assert (traced.one.attributes or {})["error.type"] == "RecordNotFoundError"


async def test_a_fault_marks_the_span_without_its_text() -> None:
    async def fail(*, id: str) -> None:
        raise ValueError(id)

    traced = Traced()
    with pytest.raises(ValueError, match="secret"):
        await traced.wrap({"session.get": fail})["session.get"](id="secret")
    assert (traced.one.status.status_code, traced.one.status.description) == (StatusCode.ERROR, None)
    assert traced.one.events == ()


async def test_the_parent_is_the_callers_span() -> None:
    traced = Traced()
    handlers = traced.wrap(memory_map())
    context = CallContext(traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="vendor=1")
    with traced.provider.get_tracer("agent").start_as_current_span("turn") as turn:
        await Store("session.get", {"id": "s1"}, context).on(handlers)
    spans = traced.exporter.get_finished_spans()
    assert spans[0].parent == turn.get_span_context()


async def test_without_one_it_is_the_envelopes() -> None:
    traced = Traced()
    context = CallContext(traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="vendor=1")
    await Store("session.get", {"id": "s1"}, context).on(traced.wrap(memory_map()))
    parent = traced.one.parent
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (int("a" * 32, 16), int("b" * 16, 16))
    assert parent.trace_state["vendor"] == "1"


async def test_a_traceparent_that_is_none_gives_a_root() -> None:
    traced = Traced()
    await Store("session.get", {"id": "s1"}, CallContext(traceparent="junk")).on(traced.wrap(memory_map()))
    assert traced.one.parent is None


async def test_below_an_unsampled_call_nothing_becomes_a_root() -> None:
    seen: list[trace.SpanContext] = []
    below = Traced(ALWAYS_ON)

    async def get(*, id: str) -> None:
        current = trace.get_current_span()
        seen.append(current.get_span_context())
        assert not current.is_recording()

    traced = Traced(ALWAYS_OFF)
    await traced.wrap({"session.get": get})["session.get"](id="s1")
    assert seen[0].is_valid
    assert not seen[0].trace_flags.sampled
    assert traced.exporter.get_finished_spans() == below.exporter.get_finished_spans() == ()


async def test_after_the_call_the_callers_span_is_in_force_again() -> None:
    traced = Traced()

    async def fail(*, id: str) -> None:
        raise ValueError("its own")

    handlers = traced.wrap({**memory_map(), "setup.get": fail})
    before = trace.get_current_span()
    await handlers["session.get"](id="s1")
    with pytest.raises(ValueError, match="its own"):
        await handlers["setup.get"](id="x")
    assert trace.get_current_span() is before


class Broken(SpanProcessor):
    def __init__(self, *, at: str) -> None:
        self.at = at

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self.at == "start":
            raise RuntimeError("secret")

    def on_end(self, span: Any) -> None:
        if self.at == "end":
            raise RuntimeError("secret")


@pytest.mark.parametrize("at", ["start", "end"])
async def test_a_broken_processor_breaks_no_call_and_is_logged_once(
    at: str, caplog: pytest.LogCaptureFixture
) -> None:
    own_log._last_reported.clear()
    provider = TracerProvider()
    provider.add_span_processor(Broken(at=at))
    handlers = wrap(memory_map(), tracing(tracer_provider=provider))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await handlers["session.set"](id="s1", value={})
            assert await handlers["session.get"](id="s1") == {}
    lines = [line for line in caplog.messages if "telemetry_failed" in line]
    assert len(lines) == 1
    assert "RuntimeError" in lines[0]
    assert "secret" not in lines[0]


async def test_results_that_cannot_be_counted_are_returned_all_the_same() -> None:
    async def odd(*, session_id: str) -> int:
        return 42

    traced = Traced()
    registry = CollectorRegistry()
    layers = (tracing(tracer_provider=traced.provider), metrics(registry=registry))
    assert await wrap({"part.listBySession": odd}, *layers)["part.listBySession"](session_id="s1") == 42
    assert traced.one.name == "part.listBySession"


MEMBER = BackendInfo("redis", name="eu", region="aws:eu-west-1")
ROUTER = BackendInfo("router", name="all", members=(MEMBER,))
STRANGER = BackendInfo("redis", name="stranger", region="aws:eu-north-1")


@pytest.mark.parametrize("member", [MEMBER, STRANGER], ids=["a member", "one that nobody listed"])
async def test_what_a_router_chose_is_named_at_the_end(member: BackendInfo, tmp_path: Path) -> None:
    def choose(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        def step(call: Call) -> Any:
            call.backend = member
            return next_step(call)

        return step

    traced, registry = Traced(), CollectorRegistry()
    with AuditLog.open(tmp_path / "audit") as log:
        layers = (tracing(tracer_provider=traced.provider), metrics(registry=registry), audit(log), choose)
        await wrap(memory_map(), *layers, backend=ROUTER)["session.set"](id="s1", value={})
        _, intent, outcome = records_of(log)
    assert (traced.one.attributes or {})["agent_storage.backend.name"] == member.name
    assert (intent["backend"], outcome["backend"]) == ("all", member.name)
    assert outcome["backend_region"] == member.region
    labels = {"operation": "session.set", "backend": member.name, "region": str(member.region), "outcome": "ok"}
    assert registry.get_sample_value("agent_storage_operations_total", labels) == 1
    labels = {"operation": "session.set", "backend": "all", "region": "unknown"}
    assert registry.get_sample_value("agent_storage_operations_in_flight", labels) == 0


async def test_denials_are_described(tmp_path: Path) -> None:
    with stack(memory_map(), tmp_path) as seen:
        with pytest.raises(Exception, match="denied"):
            await seen.handlers["session.get"](id="s1")
        attributes = seen.spans[0].attributes or {}
    assert attributes["agent_storage.residency.decision"] == "deny"
    assert attributes["agent_storage.residency.code"] == "tenant_missing"
    assert attributes["agent_storage.residency.rule"] == "none"
    assert BACKEND.name == attributes["agent_storage.backend.name"]
