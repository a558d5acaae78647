"""The spans' database.

What is filtered and searched by stands in `spans`, in short rows, so that a whole scan of a million of them takes
about a second at most; the rest of a span stands in `details`, which only the pages of one trace read. Both have
their numbers in order of arrival. `traces` has one row for each trace, kept up to date while spans arrive.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from storescope.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1
_APPLICATION = 0x73747677  # "stvw"
_CACHE_KIB = 16 * 1024
_BUSY_SECONDS = 10.0

_TABLES = """
CREATE TABLE traces (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL UNIQUE,
    start INTEGER NOT NULL,
    finish INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    dropped INTEGER NOT NULL DEFAULT 0,  -- spans that were taken out again, because they were old
    root TEXT,                           -- the name of the span without a parent
    first TEXT,                          -- the name of the span that began first
    service TEXT,
    session TEXT,
    sessions INTEGER NOT NULL,           -- how many: 0, 1, or 2 for several
    tenant TEXT,
    region TEXT
);
CREATE INDEX traces_by_start ON traces (start);
CREATE INDEX traces_by_session ON traces (session) WHERE session IS NOT NULL;
CREATE TABLE spans (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    arrived INTEGER NOT NULL,            -- in seconds since 1970
    start INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    error INTEGER NOT NULL,
    outcome TEXT,
    operation TEXT,
    tenant TEXT,
    backend TEXT,
    session TEXT,
    text TEXT NOT NULL                   -- what free text is looked for in, in lower case
);
CREATE UNIQUE INDEX spans_by_trace ON spans (trace, span_id);
CREATE INDEX spans_by_session ON spans (session) WHERE session IS NOT NULL;
CREATE TABLE details (id INTEGER PRIMARY KEY, json TEXT NOT NULL);
"""


FIRST_AND_LAST = "SELECT (SELECT min(id) FROM spans), (SELECT max(id) FROM spans)"
"""One question for both would read the whole table: SQLite looks up only one of them."""


class ViewError(StorageError):
    """The viewer cannot do what it was started for."""


def open_database(path: Path, *, durable: bool, schema: str = _TABLES) -> sqlite3.Connection:
    """Open the database for its writer; make it if it is new.

    Args:
        path: The file.
        durable: Whether it outlives the viewer, and so must survive a loss of power.
        schema: What makes its tables.

    Raises:
        ViewError: If it cannot be opened, or it is a file of something else.
    """
    try:
        connection = _connect(path)
        connection.execute("PRAGMA page_size = 8192")  # fewer reads for a scan
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if durable else 'OFF'}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        _prepare(connection, path, schema)
    except sqlite3.Error as error:
        raise ViewError(f"{path}: cannot be used as a database: {error}") from None
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time, not always the same.
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.executescript(
            f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_FORMAT};{schema}COMMIT"
        )
    elif application != _APPLICATION:
        raise ViewError(f"{path}: holds something else; name a new file, or one that storescope view made")
    elif version != _FORMAT:
        raise ViewError(f"{path}: was made by another version of storescope; name a new file")
