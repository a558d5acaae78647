"""Requests that nobody honest sends get a 4xx, and harm nothing: the next honest one is taken."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import time
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from storescope.apps.view import _ingest
from storescope.apps.view._limits import MOST_BODY_BYTES, RefusedError, unpack
from storescope.apps.view._otlp import decode
from storescope.apps.view._otlp_count import count_spans
from storescope.apps.view._schema import ViewError
from storescope.apps.view._store import BusyError, SpanStore
from tests.view.sending import JSON, PROTOBUF, empty_request, get, post, request, send, span

if TYPE_CHECKING:
    from storescope.apps.view import Viewer

GZIP = {"Content-Encoding": "gzip"}


def _field(number: int, body: bytes) -> bytes:
    """Return a field of protobuf that holds a message."""
    size, left = b"", len(body)
    while left > 0x7F:
        size, left = size + bytes([left & 0x7F | 0x80]), left >> 7
    return bytes([number << 3 | 2]) + size + bytes([left]) + body


HONEST = json.dumps(request(span("honest"))).encode()


def broken(**changes: Any) -> bytes:
    return json.dumps(request({**span("broken"), **changes})).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"\xff" * 100, PROTOBUF, 400, "protobuf"),
        (b"", JSON, 400, "JSON"),
        (b"[]", JSON, 400, "object"),
        (b'{"resourceSpans": 5}', JSON, 400, "OTLP"),
        (b'{"resourceSpans": [[]]}', JSON, 400, "OTLP"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]}', JSON, 400, "OTLP"),
        (b"[" * 100_000, JSON, 400, "JSON"),
        (b'{"resourceSpans":' + b'[{"x":' * 2_000 + b"0" + b"}]" * 2_000 + b"}", JSON, 400, "JSON"),
        (b"\xff\xfe{}", JSON, 400, "JSON"),
        (broken(traceId="not hex"), JSON, 400, "hex"),
        (broken(traceId=7), JSON, 400, "OTLP"),
        (broken(startTimeUnixNano="soon"), JSON, 400, "OTLP"),
        (broken(startTimeUnixNano=-5), JSON, 400, "OTLP"),
        (broken(attributes=[{"key": "k", "value": {"stringValue": 5}}]), JSON, 400, "OTLP"),
        (broken(name="\ud800"), JSON, 400, "JSON"),
        (HONEST, {"Content-Type": "text/plain"}, 415, "Content-Type"),
        (HONEST, {"Content-Type": "application/x-www-form-urlencoded"}, 415, "Content-Type"),
        (HONEST, {**JSON, "Content-Encoding": "br"}, 415, "gzip"),
        (HONEST, {**JSON, **GZIP}, 400, "gzip"),
        (gzip.compress(HONEST)[:-9], {**JSON, **GZIP}, 400, "ends too early"),
        (gzip.compress(HONEST) + b"rest", {**JSON, **GZIP}, 400, "gzip"),
        (b"x" * (MOST_BODY_BYTES + 1), PROTOBUF, 413, "16 MiB"),
        (gzip.compress(b"0" * (MOST_BODY_BYTES + 1)), {**JSON, **GZIP}, 413, "16 MiB"),
    ],
)
def test_is_refused(viewer: Viewer, body: bytes, headers: dict[str, str], status: int, says: str) -> None:
    answer = post(viewer.url, body, headers)
    assert answer.status == status
    assert says.encode() in answer.body
    assert get(viewer.url, "/api/status").json["spans"] == 0
    send(viewer.url, span("honest"))
    assert get(viewer.url, "/api/status").json["spans"] == 1


def test_a_refusal_in_json_is_a_status_of_rpc(viewer: Viewer) -> None:
    assert post(viewer.url, b"{", JSON).json["code"] == 3


def test_a_bomb_is_left_before_it_fills_the_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(1_000)) + packer.flush()
    assert len(bomb) < 2_000_000
    with pytest.raises(RefusedError, match="16 MiB") as refused:
        unpack(bomb)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (_field(1, _field(2, b"\x12\x00" * 8_000_000)), PROTOBUF),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 2_000_000 + b"{}]}]}]}", JSON),
    ],
    ids=["protobuf", "json"],
)
def test_millions_of_empty_spans_are_refused_before_they_are_made(
    viewer: Viewer, body: bytes, headers: dict[str, str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    assert post(viewer.url, body, headers).status == 413
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024


@given(sizes=st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=3), cut=st.integers(0, 50))
def test_spans_are_counted_as_the_parser_finds_them(sizes: list[list[int]], cut: int) -> None:
    made = ExportTraceServiceRequest()
    for scopes in sizes:
        group = made.resource_spans.add()
        group.resource.attributes.add(key="k").value.string_value = "x" * 200
        for spans in scopes:
            scope = group.scope_spans.add()
            for _ in range(spans):
                scope.spans.add(name="n", trace_id=b"1" * 16, start_time_unix_nano=5, flags=1)
    body = made.SerializeToString()
    total = sum(map(sum, sizes))
    assert count_spans(body, 1_000) == total
    assert count_spans(body[: len(body) - cut], 1_000) <= total


@given(body=st.binary(max_size=200))
def test_counting_takes_any_bytes(body: bytes) -> None:
    assert count_spans(body, 10) <= 11


def test_several_members_of_gzip_are_one_body(viewer: Viewer) -> None:
    half = len(HONEST) // 2
    answer = post(viewer.url, gzip.compress(HONEST[:half]) + gzip.compress(HONEST[half:]), {**JSON, **GZIP})
    assert answer.status == 200


def test_a_body_without_a_length_is_cut_off_too(viewer: Viewer) -> None:
    address = urlsplit(viewer.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as connection:
        head = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(20):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\n")
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_who_stalls_or_goes_away_keeps_nobody_out(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ingest, "_BODY_SECONDS", 0.3)
    monkeypatch.setattr(_ingest, "_DRAIN_SECONDS", 0.1)
    address = urlsplit(viewer.url)
    head = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(socket.create_connection((str(address.hostname), address.port or 0), timeout=30))
            for _ in range(6)
        ]
        for connection in stalled:
            connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        stalled.pop().close()
        send(viewer.url, span("honest"))
        assert stalled[0].recv(100).startswith(b"HTTP/1.1 408")


def test_a_span_that_cannot_be_kept_spoils_no_other(viewer: Viewer) -> None:
    spans = (span("good"), {**span("short", 2), "traceId": "abcd"}, {**span("nobody", 3), "spanId": "0" * 16})
    answer = post(
        viewer.url, json.dumps(request(*spans, {**span("never", 4), "startTimeUnixNano": "0"})).encode(), JSON
    )
    assert answer.status == 200
    assert answer.json["partialSuccess"]["rejectedSpans"] == "3"
    assert "trace_id must be 16 bytes" in answer.json["partialSuccess"]["errorMessage"]
    assert get(viewer.url, "/api/status").json["spans"] == 1


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (BusyError(), 503, "send it again"),
        (ViewError("spans cannot be stored: disk is full"), 500, "disk is full"),
    ],
)
def test_what_cannot_be_stored_is_said_to_its_sender(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, says: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SpanStore, "add", refuse)
        answer = post(viewer.url, HONEST, JSON)
    assert answer.status == status
    assert says in answer.json["message"]
    assert answer.headers["Retry-After"] == ("1" if status == 503 else None)
    send(viewer.url, span("honest"))


def test_an_empty_request_is_answered(viewer: Viewer) -> None:
    answer = post(viewer.url, empty_request(), {"Content-Type": "application/x-protobuf; charset=utf-8"})
    assert answer.status == 200
    assert not ExportTraceServiceResponse.FromString(answer.body).HasField("partial_success")


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs"])
def test_metrics_and_logs_are_answered_and_passed_over(viewer: Viewer, path: str) -> None:
    answer = post(viewer.url, b"{}", JSON, path)
    assert answer.status == 200
    assert "traces only" in answer.json["partialSuccess"]["errorMessage"]


@pytest.mark.parametrize("method_and_path", ["GET /v1/traces", "DELETE /api/traces", "GET /static/../_app.py"])
def test_what_is_not_there_is_4xx(viewer: Viewer, method_and_path: str) -> None:
    address = urlsplit(viewer.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as connection:
        connection.sendall(f"{method_and_path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).startswith((b"HTTP/1.1 404", b"HTTP/1.1 405"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:4318"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_another_name_or_page_is_shut_out(viewer: Viewer, headers: dict[str, str]) -> None:
    assert get(viewer.url, "/api/traces", headers).status == 403
    assert post(viewer.url, HONEST, {**JSON, **headers}).status == 403
    assert get(viewer.url, "/api/status").json["spans"] == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:4318"])
def test_the_names_of_the_loopback_are_let_in_by_any_port(viewer: Viewer, host: str) -> None:
    """A tunnel may give it another port."""
    assert get(viewer.url, "/", {"Host": host}).status == 200


def status_of(body: bytes, *, is_json: bool) -> int:
    try:
        decode(body, is_json=is_json)
    except RefusedError as refused:
        return refused.status
    return 200


@given(body=st.binary(max_size=300), is_json=st.booleans())
def test_any_bytes_are_decoded_or_refused(body: bytes, *, is_json: bool) -> None:
    assert status_of(body, is_json=is_json) in {200, 400}


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceSpans",
                        "scopeSpans",
                        "spans",
                        "traceId",
                        "attributes",
                        "key",
                        "value",
                        "links",
                        "status",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_decoded_or_refused(value: Any) -> None:
    for body in (value, {"resourceSpans": [{"scopeSpans": [{"spans": [value]}]}]}):
        assert status_of(json.dumps(body).encode(), is_json=True) in {200, 400}
