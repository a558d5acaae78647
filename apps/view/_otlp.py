"""OTLP trace requests, as protobuf and as JSON, turned into spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storescope.apps.view._limits import (
    MOST_ATTRIBUTES,
    MOST_EVENTS,
    MOST_NAME_CHARS,
    MOST_NESTING,
    MOST_SPANS,
    MOST_VALUE_CHARS,
    RefusedError,
    cut,
)
from storescope.apps.view._otlp_count import count_spans
from storescope.apps.view._otlp_json import parse_json
from storescope.apps.view._span import KINDS, STATUSES, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_MOST_NS = 2**63 - 1  # what the store can hold
_EXACT = 2**53


@dataclass(slots=True)
class Decoded:
    """What a request held.

    Attributes:
        spans: Those that can be kept.
        rejected: How many cannot.
        why: Of the first of them.
    """

    spans: list[Span] = field(default_factory=list[Span])
    rejected: int = 0
    why: str = ""

    def reject(self, why: str) -> None:
        """Count a span that cannot be kept."""
        self.rejected += 1
        self.why = self.why or why


def decode(body: bytes, *, is_json: bool) -> Decoded:
    """Decode a request's body.

    Args:
        body: The body, unpacked.
        is_json: Whether it is JSON, else protobuf.

    Returns:
        Its spans. A span that cannot be kept is counted and spoils nothing else.

    Raises:
        RefusedError: If it is no trace request.
    """
    decoded = Decoded()
    for group in (parse_json(body) if is_json else _parse(body)).resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            _take(scope, resource, decoded)
    return decoded


def _parse(body: bytes) -> ExportTraceServiceRequest:
    if count_spans(body, MOST_SPANS) > MOST_SPANS:
        raise RefusedError(413, f"a request may hold {MOST_SPANS:,} spans")
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise RefusedError(400, "the body is not an OTLP trace request in protobuf") from None


def _take(scope: ScopeSpans, resource: dict[str, Any], decoded: Decoded) -> None:
    service = str(resource.get("service.name", ""))[:MOST_NAME_CHARS]
    scope_name = cut(scope.scope.name, MOST_NAME_CHARS)
    for message in scope.spans:
        try:
            decoded.spans.append(_span(message, resource, service, scope_name))
        except ValueError as error:
            decoded.reject(str(error))


def _span(message: Message, resource: dict[str, Any], service: str, scope: str) -> Span:
    start = message.start_time_unix_nano
    if not 0 < start <= _MOST_NS:
        raise ValueError("start_time_unix_nano must be a time in ns since 1970")
    events = [_event(event) for event in message.events[:MOST_EVENTS]]
    links = [
        {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": _attributes(link.attributes),
        }
        for link in message.links[:MOST_EVENTS]
    ]
    return Span(
        trace_id=_id(message.trace_id, _TRACE_ID_BYTES, "trace_id"),
        span_id=_id(message.span_id, _SPAN_ID_BYTES, "span_id"),
        parent_id=_parent(message.parent_span_id),
        name=cut(message.name, MOST_NAME_CHARS),
        start=start,
        duration=max(0, min(message.end_time_unix_nano, _MOST_NS) - start),  # a clock that was set back
        kind=_name_of(KINDS, message.kind),
        status=_name_of(STATUSES, message.status.code),
        status_message=cut(message.status.message, MOST_VALUE_CHARS),
        service=service,
        scope=scope,
        resource=resource,
        attributes=_attributes(message.attributes),
        events=events,
        links=links,
        dropped=_dropped(message),
    )


def _event(event: Message.Event) -> dict[str, Any]:
    return {
        "name": cut(event.name, MOST_NAME_CHARS),
        "time": min(event.time_unix_nano, _MOST_NS),
        "attributes": _attributes(event.attributes),
    }


def _id(given: bytes, size: int, what: str) -> str:
    if len(given) != size or not any(given):
        raise ValueError(f"{what} must be {size} bytes, not all of them 0")
    return given.hex()


def _parent(given: bytes) -> str:
    """Return the parent's id; one that is all zeros or of a wrong length names nobody."""
    return given.hex() if len(given) == _SPAN_ID_BYTES and any(given) else ""


def _name_of(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def _dropped(message: Message) -> int:
    said = message.dropped_attributes_count + message.dropped_events_count + message.dropped_links_count
    ours = max(0, len(message.attributes) - MOST_ATTRIBUTES)
    return said + ours + max(0, len(message.events) - MOST_EVENTS) + max(0, len(message.links) - MOST_EVENTS)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as JSON has them; of a key that is given twice the first counts."""
    found: dict[str, Any] = {}
    for pair in pairs:
        if len(found) >= MOST_ATTRIBUTES:
            break
        value = pair.value
        # Nearly all are texts: they take the short way.
        text = value.string_value
        found.setdefault(cut(pair.key, MOST_NAME_CHARS), cut(text, MOST_VALUE_CHARS) if text else _value(value, 0))
    return found


def _value(value: AnyValue, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which in {"array_value", "kvlist_value"}:
        return "…" if depth >= MOST_NESTING else _nested(value, which, depth + 1)
    plain = None if which is None else getattr(value, which)
    if isinstance(plain, bytes):
        plain = plain.hex()
    if isinstance(plain, str):
        return cut(plain, MOST_VALUE_CHARS)
    if isinstance(plain, float) and not isfinite(plain):
        return str(plain)  # JSON knows neither NaN nor infinity
    if isinstance(plain, int) and abs(plain) >= _EXACT:
        return str(plain)  # JavaScript would round it
    return plain


def _nested(value: AnyValue, which: str, depth: int) -> Any:
    if which == "array_value":
        return [_value(item, depth) for item in _first(value.array_value.values)]
    return {
        cut(pair.key, MOST_NAME_CHARS): _value(pair.value, depth) for pair in _first(value.kvlist_value.values)
    }


def _first(items: Iterable[Any]) -> Iterator[Any]:
    for number, item in enumerate(items):
        if number == MOST_ATTRIBUTES:
            return
        yield item
