"""An update that loses what others write, and one that does not: the same handlers over a SQLite file, twice.

    storescope conformance examples/naive_update.py:handlers   # exits 1: updates of one record get lost
    storescope conformance examples/naive_update.py:corrected  # exits 0

The naive `update` gets the record, merges, and sets it, as in the documentation of many an agent. It passes every
test that has one caller. Between its read and its write others write too, and their fields are gone.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope import OPERATIONS, Handler, Handlers, InvalidRecordError, RecordNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Record: TypeAlias = dict[str, Any]

FOLDER = Path(".storescope")
MAX_ID_BYTES = 256
NO_UTF8 = re.compile("[\0\ud800-\udfff]")
TABLE = """
    CREATE TABLE IF NOT EXISTS records(
        entity TEXT, id TEXT, session TEXT, place INTEGER, body TEXT, PRIMARY KEY (entity, id)
    )
"""
# One statement inserts or replaces; a record keeps its place in the list until it goes to another session.
WRITE = """
    INSERT INTO records SELECT ?, ?, ?, coalesce(max(place), 0) + 1, ? FROM records WHERE true
    ON CONFLICT (entity, id) DO UPDATE SET
        place = CASE WHEN session IS excluded.session THEN place ELSE excluded.place END,
        session = excluded.session, body = excluded.body
"""


@contextmanager
def database() -> Generator[sqlite3.Connection]:
    """Connect to the file for one call. Several threads and processes may."""
    with closing(sqlite3.connect(FOLDER / "naive_update.db", timeout=30, isolation_level=None)) as connection:
        yield connection


def encode(record: Record) -> str:
    """Return a record as JSON that comes back equal, or refuse it."""
    try:
        text = json.dumps(record, allow_nan=False)
        if json.loads(text) == record:
            return text
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidRecordError("the record is not JSON")


def check_id(id: str) -> None:
    """Refuse an id that the column cannot hold."""
    if NO_UTF8.search(id) or len(id.encode()) > MAX_ID_BYTES:
        raise InvalidRecordError("an id is at most 256 bytes of UTF-8, without NUL")


def read(connection: sqlite3.Connection, entity: str, id: str) -> Record | None:
    """Return a record, or None."""
    query = "SELECT body FROM records WHERE entity = ? AND id = ?"
    row = connection.execute(query, (entity, id)).fetchone()
    return None if row is None else json.loads(row[0])


def write(connection: sqlite3.Connection, entity: str, id: str, record: Record) -> None:
    """Insert or replace a record."""
    session = record.get("sessionId")
    check_id(id)
    check_id(session or "")
    connection.execute(WRITE, (entity, id, session, encode(record)))


def make_get(entity: str) -> Handler:
    """Return the handler of `get`: a plain def, which runs in a thread."""

    def get(*, id: str) -> Record | None:
        check_id(id)
        with database() as connection:
            return read(connection, entity, id)

    return get


def make_set(entity: str) -> Handler:
    """Return the handler of `set`."""

    def set_(*, id: str, value: Record) -> None:
        with database() as connection:
            write(connection, entity, id, value)

    return set_


def make_list(entity: str) -> Handler:
    """Return the handler of `listBySession`."""

    def list_by_session(*, session_id: str) -> list[Record]:
        query = "SELECT body FROM records WHERE entity = ? AND session = ? ORDER BY place"
        with database() as connection:
            return [json.loads(body) for (body,) in connection.execute(query, (entity, session_id))]

    return list_by_session


def make_naive_update(entity: str) -> Handler:
    """Return an `update` that gets the record and then sets it."""
    get, set_ = make_get(entity), make_set(entity)

    async def update(*, id: str, updates: Record) -> Record:
        existing = await asyncio.to_thread(get, id=id)
        if existing is None:
            raise RecordNotFoundError(entity, id)
        updated = {**existing, **updates}
        await asyncio.to_thread(set_, id=id, value=updated)  # what others wrote meanwhile is gone
        return updated

    return update


def make_update(entity: str) -> Handler:
    """Return an `update` that reads and writes in one transaction."""

    def update(*, id: str, updates: Record) -> Record:
        check_id(id)
        with database() as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else writes from here, before the read, ...
            existing = read(connection, entity, id)
            if existing is None:
                raise RecordNotFoundError(entity, id)  # closing the connection ends the transaction
            updated = {**existing, **updates}
            write(connection, entity, id, updated)
            connection.execute("COMMIT")  # ... to here
            return updated

    return update


def make_map(make_update: Callable[[str], Handler]) -> Handlers:
    """Return all fifteen handlers."""
    FOLDER.mkdir(exist_ok=True)
    with database() as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)
    makers = {"get": make_get, "set": make_set, "update": make_update, "listBySession": make_list}
    return {name: makers[operation.verb](operation.entity) for name, operation in OPERATIONS.items()}


def handlers() -> Handlers:
    """Return the map whose updates get lost."""
    return make_map(make_naive_update)


def corrected() -> Handlers:
    """Return the map whose updates survive."""
    return make_map(make_update)
