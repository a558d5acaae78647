"""What the pages ask of the spans' database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from storescope.apps.view._filter import session_parameters
from storescope.apps.view._limits import RefusedError
from storescope.apps.view._schema import FIRST_AND_LAST

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from storescope.apps.view._filter import Filter

PAGE_TRACES = 100
MOST_TRACE_SPANS = 5_000
MOST_SESSION_SPANS = 2_000
_NEWEST_TRACES = 1_000
_FACET_SPANS = 50_000  # the newest: what is typed may still name others
_MOST_FACETS = 200
_CURSOR = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)
_TRACE_COLUMNS = [
    "id",
    "trace_id",
    "start",
    "finish",
    "spans",
    "errors",
    "dropped",
    "root",
    "first",
    "service",
    "session",
    "sessions",
    "tenant",
    "region",
]
_SELECT_TRACES = f"SELECT {', '.join(_TRACE_COLUMNS)} FROM traces"  # noqa: S608 (our own names)


def count(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many traces and spans there are."""
    first, last = connection.execute(FIRST_AND_LAST).fetchone()
    traces = connection.execute("SELECT count(*) FROM traces").fetchone()[0]
    return {"traces": traces, "spans": 0 if first is None else last - first + 1}


def list_traces(connection: sqlite3.Connection, wanted: Filter, before: str) -> dict[str, Any]:
    """Return a page of traces, newest first.

    Args:
        connection: Where to look.
        wanted: Which are asked for.
        before: Where the page before ended, its `next`; empty for the first page.

    Raises:
        RefusedError: If `before` is no such place.
    """
    condition, parameters = wanted.sql()
    place = "TRUE"
    if before:
        named = _CURSOR.fullmatch(before)
        if named is None:
            raise RefusedError(400, "before must be what a page gives as next")
        place = "(start, id) < (:start, :id)"
        parameters |= {"start": int(named[1]), "id": int(named[2])}
    rows: list[tuple[Any, ...]] = []
    for scope in _scopes(condition, place):
        rows = connection.execute(
            f"{_SELECT_TRACES} WHERE {place} AND {scope} ORDER BY start DESC, id DESC LIMIT {PAGE_TRACES + 1}",
            parameters,
        ).fetchall()
        if len(rows) > PAGE_TRACES:
            break
    last = rows[PAGE_TRACES - 1] if len(rows) > PAGE_TRACES else None
    return {
        "traces": [_trace(row) for row in rows[:PAGE_TRACES]],
        "next": f"{last[2]}-{last[0]}" if last else None,
    }


def _scopes(condition: str, place: str) -> Iterator[str]:
    """Return where to look for traces, until a page is full: what many fit is found among the newest."""
    if not condition:
        yield "TRUE"
        return
    newest = f"SELECT id FROM traces WHERE {place} ORDER BY start DESC, id DESC LIMIT {_NEWEST_TRACES}"  # noqa: S608 (our own words)
    yield f"id IN (SELECT trace FROM spans WHERE trace IN ({newest}) AND {condition})"  # noqa: S608 (our own words)
    yield f"id IN (SELECT trace FROM spans WHERE {condition})"  # noqa: S608 (our own words)


def facets(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return what the newest spans may be filtered by."""
    found: dict[str, list[str]] = {}
    for column in ("operation", "tenant", "backend"):
        rows = connection.execute(
            f"SELECT DISTINCT {column} FROM spans WHERE id > (SELECT max(id) FROM spans) - {_FACET_SPANS}"  # noqa: S608 (our own names)
            f" AND {column} IS NOT NULL LIMIT {_MOST_FACETS}"
        )
        found[column] = sorted(row[0] for row in rows)
    return found


def find_trace(connection: sqlite3.Connection, trace_id: str) -> dict[str, Any] | None:
    """Return one trace's row, with how many of its spans are shown; None if there is no such trace."""
    row = connection.execute(f"{_SELECT_TRACES} WHERE trace_id = ?", (trace_id.lower(),)).fetchone()
    return None if row is None else _trace(row)


def spans_of(connection: sqlite3.Connection, trace_id: str) -> list[dict[str, Any]]:
    """Return a trace's spans in order of their beginning, the first `MOST_TRACE_SPANS` that arrived."""
    rows = connection.execute(
        "SELECT span_id, start, duration, error, outcome, operation, json FROM"
        " (SELECT * FROM spans WHERE trace = (SELECT id FROM traces WHERE trace_id = ?) ORDER BY id LIMIT ?)"
        " JOIN details USING (id) ORDER BY start, id",
        (trace_id.lower(), MOST_TRACE_SPANS),
    )
    return [
        {
            "span_id": span_id,
            "start": start,
            "duration": duration,
            "error": bool(error),
            "outcome": outcome,
            "operation": operation,
            **orjson.loads(details),
        }
        for span_id, start, duration, error, outcome, operation, details in rows
    ]


def session_history(connection: sqlite3.Connection, session: str) -> dict[str, Any]:
    """Return the storage operations on one session in order, the newest `MOST_SESSION_SPANS` of them.

    A call that names no session belongs here too if its trace touches this session and no other.
    """
    rows = connection.execute(
        "SELECT trace_id, span_id, spans.start, duration, error, outcome, operation, spans.session IS NULL, json"  # noqa: S608 (a number)
        " FROM spans JOIN traces ON traces.id = trace JOIN details ON details.id = spans.id"
        " WHERE operation IS NOT NULL AND spans.id IN ("
        "   SELECT id FROM spans WHERE session IN (:session, :session_hash) UNION"
        "   SELECT spans.id FROM traces JOIN spans ON trace = traces.id WHERE traces.session IN"
        "   (:session, :session_hash) AND sessions = 1 AND spans.session IS NULL)"
        f" ORDER BY spans.start DESC, spans.id DESC LIMIT {MOST_SESSION_SPANS + 1}",
        session_parameters(session),
    ).fetchall()
    operations = [
        {
            "trace_id": trace_id,
            "span_id": span_id,
            "start": start,
            "duration": duration,
            "error": bool(error),
            "outcome": outcome,
            "operation": operation,
            "by_trace": bool(by_trace),
            "attributes": orjson.loads(details).get("attributes", {}),
        }
        for trace_id, span_id, start, duration, error, outcome, operation, by_trace, details in reversed(
            rows[:MOST_SESSION_SPANS]
        )
    ]
    return {"session": session, "operations": operations, "more": len(rows) > MOST_SESSION_SPANS}


def _trace(row: tuple[Any, ...]) -> dict[str, Any]:
    trace = dict(zip(_TRACE_COLUMNS, row, strict=True))
    del trace["id"]
    trace["duration"] = trace.pop("finish") - trace["start"]
    return trace
