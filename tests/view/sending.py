"""Makes OTLP requests from a few words, and sends them to a viewer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlencode

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
BEGAN_MS = 1_790_000_000_000


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def span(
    name: str,
    number: int = 1,
    *,
    trace: int = 1,
    parent: int = 0,
    at: float = 0.0,
    ms: float = 1.0,
    failed: bool = False,
    events: tuple[tuple[str, float], ...] = (),
    **attributes: Any,
) -> dict[str, Any]:
    """Return a span of OTLP in JSON; two underscores in an attribute's name stand for a dot."""
    begin = BEGAN_MS * 1_000_000 + int(at * 1e6)
    return {
        "traceId": trace_id(trace),
        "spanId": span_id(number),
        "parentSpanId": span_id(parent) if parent else "",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + int(ms * 1e6)),
        "attributes": [_pair(key.replace("__", "."), value) for key, value in attributes.items()],
        "events": [
            {"name": event, "timeUnixNano": str(begin + int(after * 1e6)), "attributes": []}
            for event, after in events
        ],
        "status": {"code": 2} if failed else {},
    }


def operation(name: str, number: int = 1, *, outcome: str = "ok", **options: Any) -> dict[str, Any]:
    """Return a span as `tracing()` makes them."""
    said: dict[str, Any] = {
        "failed": outcome in {"error", "denied"},
        "agent_storage__outcome": outcome,
        "db__system__name": "redis",
        "agent_storage__backend__name": "redis",
    }
    return span(name, number, **{**said, **options})


def request(*spans: dict[str, Any], service: str = "agent", scope: str = "test") -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_pair("service.name", service)]},
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}],
            }
        ]
    }


def send(url: str, *spans: dict[str, Any], **options: Any) -> None:
    """Send spans, which must be taken."""
    answer = post(url, json.dumps(request(*spans, **options)).encode(), JSON)
    assert (answer.status, answer.body) == (200, b"{}"), answer


def post(url: str, body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> Answer:
    return _ask(urllib.request.Request(f"{url}{path}", body, headers, method="POST"))


def get(url: str, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
    asked = f"?{urlencode(query)}" if query else ""
    return _ask(urllib.request.Request(f"{url}{path}{asked}", headers=headers or {}))


def _ask(asked: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return Answer(answer.status, answer.read(), answer.headers)
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.read(), refused.headers)


def empty_request() -> bytes:
    return ExportTraceServiceRequest().SerializeToString()


def _pair(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value}}
    return {"key": key, "value": {"stringValue": value}}


def waterfall(url: str) -> None:
    send(
        url,
        span("agent turn", 1, ms=100),
        span("tool", 2, parent=1, at=10, ms=40, events=(("began", 5),)),
        operation("part.set", 3, parent=2, at=12, ms=10, agent_storage__attempt=2, gen_ai__conversation__id="s1"),
        span("EVALSHA", 4, parent=3, at=13, ms=5),
        operation(
            "session.get",
            5,
            parent=1,
            at=80,
            ms=10,
            outcome="denied",
            error__type="ResidencyError",
            agent_storage__residency__decision="deny",
            agent_storage__residency__code="tenant_unlisted",
        ),
        operation("part.get", 6, parent=1, at=92, agent_storage__replayed=True),
    )
