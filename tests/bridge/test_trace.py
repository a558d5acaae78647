"""One trace: the agent's, the bridge's, the calls' and the driver's, as a collector gets it over OTLP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bridge.bridges import Bridge, serving
from tests.middleware.emitted import types_of
from tests.middleware.reference_page import rows
from tests.otlp import collector, values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.otlp import Collected

TRACE, AGENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{AGENT}-01", "tracestate": "vendor=1"}


def traced(bridge: Bridge) -> None:
    assert bridge.call("session.set", SAMPLED, id="a", value={}).status == 200
    assert bridge.call("session.update", SAMPLED, id="none", updates={}).status == 404
    calls = {"calls": [{"op": "session.get", "params": {"id": name}} for name in ("a", "b")]}
    assert bridge.post(json.dumps(calls).encode(), SAMPLED, "/v1/storage/batch").status == 200
    assert bridge.call("session.get", {"traceparent": SAMPLED["traceparent"][:-1] + "0"}, id="a").status == 200
    assert bridge.call("session.get", {"traceparent": "none"}, id="a").status == 200  # a trace of its own
    assert bridge.post(b"{", SAMPLED).status == 400
    assert bridge.call("session.drop", SAMPLED, id="a").status == 501


def exported(redis_url: str, folder: Path) -> Collected:
    with collector() as collected:
        with serving("--backend", redis_url, cwd=folder, OTEL_EXPORTER_OTLP_ENDPOINT=collected.endpoint) as bridge:
            traced(bridge)
            bridge.end()
        return collected


def test_one_trace_from_the_agent_to_the_driver(redis_url: str, tmp_path: Path) -> None:
    """Each span's parent is the one above it; an unsampled trace is not exported, and a malformed one is none."""
    collected = exported(redis_url, tmp_path)
    assert collected.services == {"storescope-serve"}
    spans = [span for span in collected.spans if span.trace_id.hex() == TRACE]
    requests = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert {span.parent_span_id.hex() for span in requests} == {AGENT}
    one, batch = "POST /v1/storage", "POST /v1/storage/batch"
    told = [(span.name, values(span.attributes)["http.response.status_code"]) for span in requests]
    assert told == [(one, 200), (one, 404), (batch, 200), (one, 400), (one, 501)]
    page = {name: {cells[0]} for name, cells in rows("Spans of the bridge", "attribute").items()}
    assert types_of(values(span.attributes) for span in requests) == page
    below = [[span for span in spans if span.parent_span_id == request.span_id] for request in requests]
    names = [[span.name for span in calls] for calls in below]
    assert names == [["session.set"], ["session.update"], ["session.get"] * 2, [], []]
    for call in (span for calls in below for span in calls):
        drivers = [span for span in spans if span.parent_span_id == call.span_id]
        assert call.kind == Span.SPAN_KIND_INTERNAL
        assert drivers, call.name
        assert all(span.kind == Span.SPAN_KIND_CLIENT for span in drivers)
        assert {values(span.attributes)["db.system.name"] for span in drivers} == {"redis"}
    assert {span.trace_state for span in spans} == {"vendor=1"}
    own = {span.trace_id for span in collected.spans} - {bytes.fromhex(TRACE)}
    asked = [span for span in collected.spans if span.kind == Span.SPAN_KIND_SERVER and span.trace_id in own]
    assert [(span.name, span.parent_span_id) for span in asked] == [("POST /v1/storage", b"")]
