"""Puts a batch of spans into the database, and keeps the rows of their traces up to date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from storescope.apps.view._span import Span

_SPAN = "INSERT INTO spans VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_DETAILS = "INSERT INTO details VALUES (?, ?)"
_FIND = "SELECT id FROM traces WHERE trace_id = ?"
_NEW = "INSERT INTO traces (trace_id, start, finish, spans, errors, sessions) VALUES (?, ?, ?, 0, 0, 0)"
_UPDATE = """
UPDATE traces SET
    first = CASE WHEN first IS NULL OR :start < start THEN :first ELSE first END,
    start = min(start, :start), finish = max(finish, :finish),
    spans = spans + :spans, errors = errors + :errors,
    root = coalesce(root, :root), service = coalesce(service, :service),
    sessions = CASE WHEN session IS NOT NULL AND :session IS NOT NULL AND session != :session THEN 2
               ELSE max(sessions, :sessions) END,
    session = coalesce(session, :session), tenant = coalesce(tenant, :tenant), region = coalesce(region, :region)
WHERE id = :id
"""


@dataclass(slots=True)
class _Trace:
    """What a batch adds to one trace."""

    id: int
    start: int
    finish: int
    first: str
    spans: int = 0
    errors: int = 0
    root: str | None = None
    service: str | None = None
    session: str | None = None
    sessions: int = 0
    tenant: str | None = None
    region: str | None = None

    def add(self, span: Span, session: str | None, tenant: str | None) -> None:
        """Take one of its spans, which is new."""
        self.spans += 1
        self.errors += span.is_error
        if span.start < self.start:
            self.start, self.first = span.start, span.name
        self.finish = max(self.finish, span.start + span.duration)
        if not span.parent_id and self.root is None:
            self.root = span.name
        self.service = self.service or span.service or None
        if session is not None:
            self.sessions = 2 if self.session not in {None, session} else max(self.sessions, 1)
            self.session = self.session or session
        self.tenant = self.tenant or tenant
        self.region = self.region or span.word("agent_storage.backend.region")


def insert(connection: sqlite3.Connection, spans: Sequence[Span]) -> int:
    """Insert spans, within the caller's transaction. One that is there already is passed over.

    Returns:
        How many were new.
    """
    traces: dict[str, _Trace] = {}
    arrived = int(time.time())
    execute = connection.execute
    for span in spans:
        trace = traces.get(span.trace_id)
        if trace is None:
            trace = traces[span.trace_id] = _Trace(
                _trace_number(connection, span), span.start, span.start + span.duration, span.name
            )
        session, tenant = span.word("gen_ai.conversation.id"), span.word("agent_storage.tenant")
        row = execute(
            _SPAN,
            (
                trace.id,
                span.span_id,
                arrived,
                span.start,
                span.duration,
                span.is_error,
                span.outcome,
                span.name if span.is_operation else None,
                tenant,
                span.word("agent_storage.backend.name", "db.system.name"),
                session,
                span.searched(),
            ),
        )
        if row.rowcount:
            execute(_DETAILS, (row.lastrowid, _json(span)))
            trace.add(span, session, tenant)
    changed = [trace for trace in traces.values() if trace.spans]
    connection.executemany(_UPDATE, [{key: getattr(trace, key) for key in _COLUMNS} for trace in changed])
    return sum(trace.spans for trace in changed)


_COLUMNS = tuple(_Trace.__slots__)


def _trace_number(connection: sqlite3.Connection, span: Span) -> int:
    found = connection.execute(_FIND, (span.trace_id,)).fetchone()
    if found is not None:
        return int(found[0])
    return connection.execute(_NEW, (span.trace_id, span.start, span.start + span.duration)).lastrowid or 0


def _json(span: Span) -> str:
    """Return all of a span but what its row has."""
    said = {
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "status_message": span.status_message,
        "service": span.service,
        "scope": span.scope,
        "resource": span.resource,
        "attributes": span.attributes,
        "events": span.events,
        "links": span.links,
        "dropped": span.dropped,
    }
    return orjson.dumps({key: value for key, value in said.items() if value or key == "name"}).decode()
