"""What goes over OTLP/HTTP, parsed by the OpenTelemetry project's own classes, is what was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import SpanKind, StatusCode

from tests.otlp import values

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.middleware.emitted import Emitted

pytestmark = pytest.mark.unmeasured

_KINDS = {SpanKind.CLIENT: Span.SPAN_KIND_CLIENT, SpanKind.INTERNAL: Span.SPAN_KIND_INTERNAL}
_STATUSES = {StatusCode.UNSET: Status.STATUS_CODE_UNSET, StatusCode.ERROR: Status.STATUS_CODE_ERROR}


def test_every_span_arrives_as_it_was_made(emitted: Emitted) -> None:
    made = {_ids(span): span for span in [*emitted.spans, *emitted.driver_spans]}
    arrived = {(span.trace_id, span.span_id): span for span in emitted.collected.spans}
    assert set(arrived) == set(made)
    for ids, span in arrived.items():
        mine = made[ids]
        assert (span.name, span.kind) == (mine.name, _KINDS[mine.kind])
        assert (span.status.code, span.status.message) == (_STATUSES[mine.status.status_code], "")
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == (mine.start_time, mine.end_time)
        assert values(span.attributes) == dict(mine.attributes or {})
        assert span.parent_span_id == (mine.parent.span_id.to_bytes(8, "big") if mine.parent else b"")
        assert not span.events


def test_our_spans_name_their_scope_and_their_service(emitted: Emitted) -> None:
    scopes = {
        scope.scope.name
        for request in emitted.collected.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
    }
    assert "storescope" in scopes
    assert len(emitted.collected.services) == 1


def _ids(span: ReadableSpan) -> tuple[bytes, bytes]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")
