"""The list, its filters and the history say what a naive look at all spans would say."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope.apps.view._filter import Filter, session_parameters
from storescope.apps.view._limits import RefusedError
from storescope.apps.view._queries import PAGE_TRACES, facets, list_traces, session_history, spans_of
from storescope.apps.view._span import Span
from storescope.apps.view._store import SpanStore
from tests.view.sending import span_id, trace_id

NAMES = ("session.get", "part.set", "Größe", "50% off_ly")
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "gen_ai.conversation.id": st.sampled_from(["s1", "s2", session_parameters("s1")["session_hash"]]),
        "agent_storage.tenant": st.sampled_from(["acme", "globex"]),
        "agent_storage.backend.name": st.sampled_from(["primary", "redis"]),
        "db.system.name": st.sampled_from(["redis", "sqlite"]),
        "agent_storage.outcome": st.sampled_from(["ok", "denied", "error", "not_found"]),
        "note": st.sampled_from(["Hello World", "quote ' and \" and %", "\x00 nul"]),
    },
)
SPANS = st.lists(
    st.builds(
        lambda trace, name, at, ms, attributes, status: Span(
            trace_id(trace), "", "", name, at * 1_000_000, ms * 1_000_000, attributes=attributes, status=status
        ),
        st.integers(1, 5),
        st.sampled_from(NAMES),
        st.integers(1, 50),
        st.integers(0, 5),
        ATTRIBUTES,
        st.sampled_from(["error", "unset"]),
    ),
    max_size=15,
).map(lambda drawn: [replace(span, span_id=span_id(at + 1)) for at, span in enumerate(drawn)])
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "session": st.sampled_from(["s1", "s2", "s3"]),
        "operation": st.sampled_from(NAMES),
        "tenant": st.sampled_from(["acme", "ac"]),
        "backend": st.sampled_from(["primary", "redis", "sqlite"]),
        "outcome": st.sampled_from(["ok", "denied", "error"]),
        "min_ms": st.sampled_from(["0", "2", "2.5"]),
        "q": st.sampled_from(["hello", "WORLD hello", "größe", "%", "_", "' and", "part nul", "acme"]),
    },
)


def fits(span: Span, wanted: dict[str, str]) -> bool:
    """Say it naively."""
    said = span.attributes
    backend = said.get("agent_storage.backend.name") or said.get("db.system.name")
    outcome = said.get("agent_storage.outcome") or ("error" if span.status == "error" else None)
    of = {
        "operation": span.name if "agent_storage.outcome" in said else None,
        "tenant": said.get("agent_storage.tenant"),
        "backend": backend,
        "outcome": outcome,
    }
    text = "\n".join([span.name, *map(str, said.values())]).lower()
    return (
        all(of[key] == wanted[key] for key in of if key in wanted)
        and ("session" not in wanted or said.get("gen_ai.conversation.id") in _names_of(wanted["session"]))
        and span.duration >= float(wanted.get("min_ms", 0)) * 1e6
        and all(word in text for word in wanted.get("q", "").lower().split())
    )


def _names_of(session: str) -> set[str]:
    return set(session_parameters(session).values())


@settings(max_examples=60)
@given(spans=SPANS, wanted=FILTERS)
def test_a_trace_is_listed_if_one_of_its_spans_fits_it_all(spans: list[Span], wanted: dict[str, str]) -> None:
    with SpanStore() as store:
        store.add(spans).result()
        with store.reading() as connection:
            found = list_traces(connection, Filter.of(wanted), "")["traces"]
    assert {trace["trace_id"] for trace in found} == {span.trace_id for span in spans if fits(span, wanted)}
    assert [trace["start"] for trace in found] == sorted((trace["start"] for trace in found), reverse=True)
    for trace in found:
        of = [span for span in spans if span.trace_id == trace["trace_id"]]
        assert trace["spans"] == len(of)
        assert trace["errors"] == sum(span.is_error for span in of)
        assert trace["duration"] == max(one.start + one.duration for one in of) - min(one.start for one in of)


@settings(max_examples=60)
@given(spans=SPANS)
def test_the_history_holds_every_operation_of_the_session_in_order(spans: list[Span]) -> None:
    with SpanStore() as store:
        store.add(spans).result()
        with store.reading() as connection:
            found = session_history(connection, "s1")["operations"]
    names = _names_of("s1")
    sessions: dict[str, set[str]] = {}
    for span in spans:
        said = span.attributes.get("gen_ai.conversation.id")
        sessions.setdefault(span.trace_id, set()).update({said} if said else ())
    wanted = [
        span
        for span in spans
        if span.is_operation
        and (
            span.attributes.get("gen_ai.conversation.id") in names
            or (
                "gen_ai.conversation.id" not in span.attributes
                and len(sessions[span.trace_id]) == 1
                and sessions[span.trace_id] <= names
            )
        )
    ]
    assert [one["span_id"] for one in found] == [
        span.span_id for span in sorted(wanted, key=lambda span: (span.start, span.span_id))
    ]
    assert all(one["by_trace"] == ("gen_ai.conversation.id" not in one["attributes"]) for one in found)


def test_pages_hold_every_trace_once_though_new_ones_arrive() -> None:
    def made(number: int) -> Span:
        return Span(trace_id(number), span_id(1), "", "work", number // 3 + 1, 1)  # many begin at one time

    with SpanStore() as store:
        store.add([made(number) for number in range(1, 251)]).result()
        seen: list[str] = []
        before: Any = ""
        while before is not None:
            with store.reading() as connection:
                page = list_traces(connection, Filter(), before)
            assert len(page["traces"]) <= PAGE_TRACES
            seen += [trace["trace_id"] for trace in page["traces"]]
            before = page["next"]
            store.add([made(1_000 + len(seen))]).result()
        assert sorted(seen) == [trace_id(number) for number in range(1, 251)]


def test_what_can_be_filtered_by_is_offered() -> None:
    said = {"agent_storage.tenant": "acme", "db.system.name": "redis", "agent_storage.outcome": "ok"}
    with SpanStore() as store:
        with store.reading() as connection:
            assert facets(connection) == {"operation": [], "tenant": [], "backend": []}
        store.add([Span(trace_id(1), span_id(1), "", "session.get", 1, 1, attributes=said)]).result()
        with store.reading() as connection:
            assert facets(connection) == {"operation": ["session.get"], "tenant": ["acme"], "backend": ["redis"]}


def test_all_of_a_span_comes_back() -> None:
    made = Span(
        trace_id(1),
        span_id(1),
        span_id(2),
        "work",
        10,
        5,
        kind="client",
        status="error",
        status_message="broke",
        service="agent",
        scope="maker",
        resource={"host": "h"},
        attributes={"a": [1, {"b": None}], "\ud800 lone": 1.5, "text": "\x00"},
        events=[{"name": "e", "time": 12, "attributes": {"k": "v"}}],
        links=[{"trace_id": trace_id(3), "span_id": span_id(4), "attributes": {}}],
        dropped=2,
    )
    del made.attributes["\ud800 lone"]  # protobuf's texts are UTF-8: it cannot arrive
    with SpanStore() as store:
        store.add([made]).result()
        with store.reading() as connection:
            (found,) = spans_of(connection, trace_id(1))
    for name in ("parent_id", "name", "kind", "status", "service", "scope", "resource", "attributes", "events"):
        assert found[name] == getattr(made, name)
    assert (found["links"], found["dropped"], found["status_message"]) == (made.links, 2, "broke")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"outcome": "splendid"}, "ok, not_found, denied, error, cancelled"),
        ({"min_ms": "slow"}, "number of milliseconds"),
        ({"min_ms": "-1"}, "number of milliseconds"),
        ({"min_ms": "nan"}, "number of milliseconds"),
        ({"min_ms": "1e300"}, "number of milliseconds"),
        ({"q": "x" * 2_000}, "characters"),
    ],
)
def test_a_filter_that_cannot_be_meant_says_what_would_be_right(query: dict[str, str], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        Filter.of(query)


def test_a_page_is_right_however_many_fit_and_in_whatever_order_they_came() -> None:
    """Where many fit, only the newest traces are looked at first."""
    numbers = list(range(1, 3_001))
    random.Random(1).shuffle(numbers)

    def made(number: int) -> Span:
        said = {"agent_storage.tenant": "acme" if number % 3 else "globex" if number % 30 else "rare"}
        return Span(trace_id(number), span_id(1), "", "work", number, 1, attributes=said)

    with SpanStore() as store:
        store.add([made(number) for number in numbers]).result()
        for tenant in ("acme", "globex", "rare"):
            wanted = [
                number for number in range(3_000, 0, -1) if made(number).word("agent_storage.tenant") == tenant
            ]
            seen: list[int] = []
            before: Any = ""
            while before is not None:
                with store.reading() as connection:
                    page = list_traces(connection, Filter(tenant=tenant), before)
                seen += [int(trace["trace_id"], 16) for trace in page["traces"]]
                before = page["next"]
            assert seen == wanted
