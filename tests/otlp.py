"""A local HTTP server that takes OTLP as a collector does, parsed with OpenTelemetry's own classes."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collected:
    """The traces that were received.

    Attributes:
        endpoint: The server's URL, for OTEL_EXPORTER_OTLP_ENDPOINT.
        requests: Every export, parsed.
    """

    def __init__(self, received: Received) -> None:
        self.endpoint = received.endpoint
        self.requests: list[ExportTraceServiceRequest] = received.requests

    @property
    def spans(self) -> list[Span]:
        """Every span, in the order of arrival."""
        resources = (resource for request in self.requests for resource in request.resource_spans)
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    @property
    def services(self) -> set[str]:
        """The names of the services that sent something."""
        resources = (resource.resource for request in self.requests for resource in request.resource_spans)
        return {str(values(resource.attributes)["service.name"]) for resource in resources}


def values(attributes: Any) -> dict[str, Any]:
    """Return attributes by name, as Python's types."""
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> Any:
    kind = attribute.value.WhichOneof("value")
    assert kind in {"string_value", "int_value", "bool_value", "double_value"}, attribute
    return getattr(attribute.value, kind)


class Received:
    """What a receiver was sent.

    Attributes:
        endpoint: The server's URL.
        requests: Every export, parsed.
        encodings: The `Content-Encoding` of each.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: list[Any] = []
        self.encodings: list[str | None] = []


@contextmanager
def receiving(path: str, request: Any, answer: Any) -> Generator[Received]:
    """Serve one OTLP path on a free port of 127.0.0.1.

    Args:
        path: `/v1/traces` or `/v1/logs`.
        request: The message's class.
        answer: The answer's class.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding")
            assert self.path == path, self.path
            assert self.headers["Content-Type"] == "application/x-protobuf"
            received.encodings.append(encoding)
            received.requests.append(request.FromString(gzip.decompress(body) if encoding == "gzip" else body))
            answered = answer().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answered)))
            self.end_headers()
            self.wfile.write(answered)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def collector() -> Generator[Collected]:
    """Take traces."""
    with receiving("/v1/traces", ExportTraceServiceRequest, ExportTraceServiceResponse) as received:
        yield Collected(received)
