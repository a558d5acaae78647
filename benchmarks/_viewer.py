"""A real `storescope view` in a process of its own, and what sends spans to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

OPERATIONS = ("session.get", "message.set", "part.set", "part.set", "message.update", "part.listBySession")
SPANS_A_TRACE, TRACES_A_REQUEST = 20, 25
TENANTS = 40
_NS = 1_000_000_000
_BEGAN = 1_790_000_000 * _NS


class Viewer:
    """A viewer that runs."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._pid = pid

    def post(self, body: bytes) -> None:
        """Send an OTLP request."""
        headers = {"Content-Type": "application/x-protobuf"}
        with urlopen(Request(f"{self.url}/v1/traces", body, headers), timeout=60) as answer:
            answer.read()

    def get(self, path: str, **query: str) -> tuple[Any, float]:
        """Return what it answers, and the seconds that took."""
        began = time.perf_counter()
        with urlopen(f"{self.url}{path}?{urlencode(query)}", timeout=60) as answer:
            body = answer.read()
        return json.loads(body), time.perf_counter() - began

    @property
    def peak_mebibytes(self) -> float:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024


@contextmanager
def running(folder: Path, *options: str) -> Generator[Viewer]:
    """Run a viewer that keeps its spans in the folder."""
    program = Path(sys.executable).parent / "storescope"
    command = [str(program), "view", "--port", "0", "--no-open", "--keep", str(folder / "spans.db"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield Viewer(line.split()[0], process.pid)
        finally:
            process.terminate()
            process.wait()


def requests(spans: int) -> Iterator[bytes]:
    """Return requests with so many spans in all, as storescope's own: twenty a trace, ten attributes each."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = group.scope_spans.add()
    scope.scope.name = "storescope"
    for _ in range(SPANS_A_TRACE * TRACES_A_REQUEST):
        _template(scope.spans.add())
    for first in range(0, spans // SPANS_A_TRACE, TRACES_A_REQUEST):
        for number, span in enumerate(scope.spans):
            trace, at = first + number // SPANS_A_TRACE, number % SPANS_A_TRACE
            _fill(span, trace, at)
        yield request.SerializeToString()


def _template(span: Any) -> None:
    span.kind = 3
    for key in _ATTRIBUTES:
        span.attributes.add(key=key)


_ATTRIBUTES = {
    "db.operation.name": "{verb}",
    "db.collection.name": "{entity}",
    "db.system.name": "redis",
    "db.namespace": "0",
    "server.address": "redis.internal.example",
    "agent_storage.backend.name": "redis",
    "agent_storage.backend.region": "aws:eu-west-1",
    "gen_ai.conversation.id": "session-{session:012x}",
    "agent_storage.tenant": "tenant-{tenant}",
    "agent_storage.outcome": "{outcome}",
}


def _fill(span: Any, trace: int, at: int) -> None:
    operation = OPERATIONS[at % len(OPERATIONS)] if at else "agent turn"
    span.trace_id = (trace + 1).to_bytes(16, "big")
    span.span_id = (at + 1).to_bytes(8, "big")
    span.parent_span_id = b"" if at == 0 else (1).to_bytes(8, "big")
    span.name = operation
    span.start_time_unix_nano = _BEGAN + trace * _NS // 50 + at * 1_000_000
    span.end_time_unix_nano = span.start_time_unix_nano + (500_000 + (trace * 7919 + at) % 3_000_000)
    entity, _, verb = operation.partition(".")
    outcome = "error" if trace % 997 == 0 else "ok"
    said = {"entity": entity, "verb": verb, "session": trace // 5, "tenant": trace % TENANTS, "outcome": outcome}
    for attribute, value in zip(span.attributes, _ATTRIBUTES.values(), strict=True):
        attribute.value.string_value = value.format_map(said)
