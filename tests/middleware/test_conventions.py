"""Every span of a run of everything, held against OpenTelemetry's semantic conventions of the pinned version."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from tests.middleware.conventions import KNOWN, OWN, STABLE, TYPES, faults
from tests.middleware.emitted import types_of
from tests.middleware.reference_page import rows

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.middleware.emitted import Emitted

pytestmark = pytest.mark.unmeasured


def is_call(span: ReadableSpan) -> bool:
    """Tell a call from a replay, which reaches no database and is no database span."""
    return "agent_storage.replayed" not in (span.attributes or {})


def test_every_span_keeps_to_them(emitted: Emitted) -> None:
    spans = [*filter(is_call, emitted.spans), *emitted.driver_spans]
    wrong = Counter(fault for span in spans for fault in faults(span))
    assert not wrong


def test_the_package_is_of_the_version_that_the_instrumentations_pin() -> None:
    assert version("opentelemetry-semantic-conventions") == version("opentelemetry-instrumentation-redis")


def test_storage_spans_are_internal_only_where_a_driver_span_lies_below(emitted: Emitted) -> None:
    parents = {span.parent.span_id for span in emitted.driver_spans if span.parent}
    for span in filter(is_call, emitted.spans):
        context = span.get_span_context()
        assert context is not None
        if span.kind is SpanKind.CLIENT:
            assert context.span_id not in parents
        else:
            assert (span.attributes or {})["db.system.name"] in {"redis", "postgresql", "aws.dynamodb"}


def test_driver_spans_lie_below_storage_spans_or_are_the_drivers_own(emitted: Emitted) -> None:
    ids = {context.span_id for span in emitted.spans if (context := span.get_span_context())}
    below = [span for span in emitted.driver_spans if span.parent]
    assert len(below) > len(emitted.driver_spans) / 2  # the rest is what opening a backend does
    assert {span.parent.span_id for span in below if span.parent} <= ids


def test_what_the_page_calls_stable_is_so_in_the_conventions() -> None:
    for section in ("Spans", "Driver spans"):
        for name, cells in rows(section, "attribute").items():
            if name.startswith(OWN):
                assert cells[-1] == "stable"
            else:
                assert (cells[-1] == "stable, OpenTelemetry") == (name in STABLE), name


@pytest.mark.parametrize(
    ("name", "kind", "attributes", "status", "fault"),
    [
        ("GET", SpanKind.CLIENT, {}, StatusCode.UNSET, "db.system.name is required"),
        ("GET", SpanKind.SERVER, {"db.system.name": "redis"}, StatusCode.UNSET, "the kind is"),
        ("GET", SpanKind.CLIENT, {"db.system.name": "redis"}, StatusCode.ERROR, "error.type is required"),
        (
            "redis",
            SpanKind.CLIENT,
            {"db.system.name": "redis", "db.statement": "x"},
            StatusCode.UNSET,
            "deprecated",
        ),
        (
            "redis",
            SpanKind.CLIENT,
            {"db.system.name": "redis", "db.mine": "x"},
            StatusCode.UNSET,
            "know no db.mine",
        ),
        ("redis", SpanKind.CLIENT, {"db.system.name": "redis", "server.port": "1"}, StatusCode.UNSET, "is a str"),
        ("redis", SpanKind.CLIENT, {"db.system.name": "redis"}, StatusCode.OK, "the status is unset"),
    ],
)
def test_a_span_that_does_not_is_caught(
    name: str, kind: SpanKind, attributes: dict[str, Any], status: StatusCode, fault: str
) -> None:
    span: Any = TracerProvider().get_tracer("x").start_span(name, kind=kind, attributes=attributes)
    span.set_status(status)
    try:
        found = faults(span)
    except KeyError as error:  # a rule that needs what is missing
        found = [f"{error.args[0]} is required"]
    assert any(fault in each for each in found), found


def test_the_types_are_of_names_that_there_are(emitted: Emitted) -> None:
    assert set(TYPES) <= set(KNOWN)
    seen = types_of(span.attributes for span in [*emitted.spans, *emitted.driver_spans])
    assert {name for name in seen if not name.startswith(OWN)} <= set(TYPES)
