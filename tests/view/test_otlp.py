"""What arrives over OTLP is what was sent: against OpenTelemetry's own messages, encoder and exporter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from storescope import wrap
from storescope.apps.view._limits import MOST_ATTRIBUTES, MOST_NAME_CHARS, MOST_VALUE_CHARS
from storescope.apps.view._otlp import decode
from storescope.backends import open_backend
from storescope.middleware import tracing
from tests.view.sending import get

if TYPE_CHECKING:
    from storescope.apps.view import Viewer

SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
ATTRIBUTES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.one_of(SCALARS, st.lists(st.integers(-100, 100), max_size=4)),
    max_size=6,
)


def made_by_the_sdk(attributes: dict[str, Any], name: str = "work") -> list[ReadableSpan]:
    """Return a child and its parent, with an event, a link, a status and these attributes."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "agent", "host.name": "h"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("maker")
    link = Link(SpanContext(1 << 100, 1 << 50, is_remote=True), {"why": "because"})
    with (
        tracer.start_as_current_span("above"),
        tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes, links=[link]) as below,
    ):
        below.add_event("happened", attributes)
        below.set_status(Status(StatusCode.ERROR, "it broke"))
    return list(memory.get_finished_spans())


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """Return a request in OTLP's JSON: protobuf's own mapping, with hex ids and numbers for enums."""
    made = MessageToDict(request, use_integers_for_enums=True)
    text = {"traceId": "trace_id", "spanId": "span_id", "parentSpanId": "parent_span_id"}
    for group, of in zip(made["resourceSpans"], request.resource_spans, strict=True):
        for scope, scope_of in zip(group["scopeSpans"], of.scope_spans, strict=True):
            for span, message in zip(scope["spans"], scope_of.spans, strict=True):
                span |= {name: getattr(message, field).hex() for name, field in text.items()}
                for link, link_of in zip(span.get("links", ()), message.links, strict=True):
                    link |= {name: getattr(link_of, text[name]).hex() for name in ("traceId", "spanId")}
    return json.dumps(made).encode()


def exact(value: Any) -> Any:
    """Return what is shown of a value: integers that JavaScript would round are text."""
    if isinstance(value, tuple | list):
        return [exact(item) for item in value]
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53
    return str(value) if is_large else value


@given(attributes=ATTRIBUTES, is_json=st.booleans())
def test_what_the_sdk_encodes_is_decoded(attributes: dict[str, Any], *, is_json: bool) -> None:
    spans = made_by_the_sdk(attributes)
    request = encode_spans(spans)
    body = as_json(request) if is_json else request.SerializeToString()
    decoded = decode(body, is_json=is_json)
    assert (decoded.rejected, decoded.why) == (0, "")
    below, above = decoded.spans
    wanted = {key: exact(value) for key, value in (spans[0].attributes or {}).items()}
    context = spans[0].get_span_context()
    assert context is not None
    assert below.attributes == wanted
    assert below.events[0]["attributes"] == wanted
    assert below.events[0]["name"] == "happened"
    assert below.trace_id == above.trace_id == f"{context.trace_id:032x}"
    assert below.span_id == f"{context.span_id:016x}"
    assert below.parent_id == above.span_id
    assert above.parent_id == ""
    assert (below.kind, below.status, below.status_message) == ("client", "error", "it broke")
    assert (below.service, below.scope, below.resource["host.name"]) == ("agent", "maker", "h")
    assert below.start == spans[0].start_time
    assert below.start + below.duration == spans[0].end_time
    assert below.links == [
        {"trace_id": f"{1 << 100:032x}", "span_id": f"{1 << 50:016x}", "attributes": {"why": "because"}}
    ]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_exporter_of_the_sdk_is_answered_as_it_expects(viewer: Viewer, compression: Compression) -> None:
    spans = made_by_the_sdk({"key": "value"}, name="über alles")
    exporter = OTLPSpanExporter(f"{viewer.url}/v1/traces", compression=compression)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()  # type: ignore[no-untyped-call] # it has no annotation
    (listed,) = get(viewer.url, "/api/traces").json["traces"]
    assert (listed["root"], listed["spans"], listed["errors"]) == ("above", 2, 1)
    found = get(viewer.url, f"/api/trace/{listed['trace_id']}").json
    assert [span["name"] for span in found["waterfall"]] == ["above", "über alles"]


async def test_what_tracing_says_is_what_is_filtered_by(viewer: Viewer) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{viewer.url}/v1/traces")))
    async with open_backend("memory:", region="aws:eu-west-1") as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider, session_ids="hashed"))
        await handlers["session.set"](id="s1", value={})
    provider.shutdown()
    asked = {"session": "s1", "operation": "session.set", "backend": "memory", "outcome": "ok"}
    (listed,) = get(viewer.url, "/api/traces", None, **asked).json["traces"]
    assert (listed["root"], listed["region"]) == ("session.set", "aws:eu-west-1")


def test_bytes_nested_values_and_what_is_no_number(tmp_path: object) -> None:
    request = ExportTraceServiceRequest()
    message = request.resource_spans.add().scope_spans.add().spans.add()
    message.trace_id, message.span_id, message.start_time_unix_nano = b"\1" * 16, b"\1" * 8, 1
    message.kind, message.status.code = 77, 77  # type: ignore[assignment] # of a later version
    message.attributes.add(key="bytes").value.bytes_value = b"\0\xff"
    message.attributes.add(key="nan").value.double_value = float("nan")
    message.attributes.add(key="nothing")
    nested = message.attributes.add(key="nested").value
    nested.kvlist_value.values.add(key="list").value.array_value.values.add().int_value = 5
    deep = message.attributes.add(key="deep").value
    for _ in range(40):
        deep = deep.array_value.values.add()
    message.attributes.add(key="bytes").value.string_value = "given twice"
    (found,) = decode(request.SerializeToString(), is_json=False).spans
    assert found.attributes["bytes"] == "00ff"
    assert found.attributes["nan"] == "nan"
    assert found.attributes["nothing"] is None
    assert found.attributes["nested"] == {"list": [5]}
    assert json.dumps(found.attributes["deep"]).count("[") == 20
    assert (found.kind, found.status) == ("unspecified", "unset")


def test_what_is_long_is_cut_and_says_so() -> None:
    request = ExportTraceServiceRequest()
    message = request.resource_spans.add().scope_spans.add().spans.add()
    message.trace_id, message.span_id, message.start_time_unix_nano = b"\1" * 16, b"\1" * 8, 1
    message.name = "n" * 5_000
    message.attributes.add(key="long").value.string_value = "x" * 100_000
    for number in range(400):
        message.attributes.add(key=f"a{number}").value.int_value = number
    (found,) = decode(request.SerializeToString(), is_json=False).spans
    assert found.attributes["long"].endswith(f"({100_000 - MOST_VALUE_CHARS:,} more characters were cut off)")
    assert len(found.attributes) == MOST_ATTRIBUTES
    assert found.dropped == 401 - MOST_ATTRIBUTES
    assert len(found.name) < MOST_NAME_CHARS + 60


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    request = ExportTraceServiceRequest()
    message = request.resource_spans.add().scope_spans.add().spans.add()
    message.trace_id, message.span_id = b"\1" * 16, b"\1" * 8
    message.start_time_unix_nano, message.end_time_unix_nano = 2_000, 1_000
    (found,) = decode(request.SerializeToString(), is_json=False).spans
    assert found.duration == 0
