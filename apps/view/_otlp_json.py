"""OTLP in JSON: protobuf's own mapping, but for ids, which are hex, and unknown names, which are passed over."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storescope.apps.view._limits import MOST_OBJECTS, RefusedError
from storescope.apps.view._otlp_count import count_objects

_IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
# Where the ids stand: resourceSpans[].scopeSpans[].spans[] and its links[], in either spelling.
_PATH = (("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans",))


def parse_json(body: bytes) -> ExportTraceServiceRequest:
    """Parse a request.

    Raises:
        RefusedError: If it is no trace request.
    """
    if count_objects(body) > MOST_OBJECTS:
        raise RefusedError(413, f"a request in JSON may hold {MOST_OBJECTS:,} objects and lists")
    try:
        request: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise RefusedError(400, "the body is not an OTLP trace request in JSON: it must be an object")
    try:
        for span in _spans(request):
            _translate(span)
            for link in span.get("links") or ():
                _translate(link)
        return ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=True, max_recursion_depth=100)
    # AttributeError: the parser's own, where it expects an object and finds a text.
    except (ParseError, TypeError, ValueError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise RefusedError(400, f"the body is not an OTLP trace request in JSON: {why}") from None


def _spans(request: dict[str, Any]) -> list[dict[str, Any]]:
    level: list[Any] = [request]
    for names in _PATH:
        level = [item for above in level for name in names for item in above.get(name) or ()]
    return level


def _translate(holder: dict[str, Any]) -> None:
    """Turn hex ids into base64, which protobuf's mapping has for bytes."""
    for name in _IDS:
        if holder.get(name):
            try:
                holder[name] = b64encode(bytes.fromhex(holder[name])).decode()
            except ValueError:
                raise ValueError(f"{name} must be hex digits") from None
