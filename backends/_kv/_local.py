"""`local:PATH`: one table in the SQLite file `kv.db`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from storescope.backends._kv._engine import (
    ABSENT,
    ANY,
    NO_LIMIT,
    Entry,
    Listed,
    Page,
    conflict,
    new_version,
    page_of,
    range_end,
)
from storescope.backends._local_file import FileOptions, LocalFile
from storescope.backends._sqlite import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from storescope.backends._kv._engine import Expected
    from storescope.backends._options import Target
    from storescope.reports import BackendReport

_SCHEMA = (
    # The value comes last: a list reads no further than the version.
    """
    CREATE TABLE IF NOT EXISTS entries(
        key TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL, metadata BLOB NOT NULL, value BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS numbers(one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL)",
    "INSERT INTO numbers(one, last) VALUES (1, 0) ON CONFLICT DO NOTHING",
)
_GET = """
SELECT CASE WHEN length(value) <= ?2 THEN value END, version, metadata FROM entries WHERE key = ?1
"""
_VERSION = "SELECT version FROM entries WHERE key = ?"
_PUT = """
INSERT INTO entries(key, version, metadata, value) VALUES (?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE SET version = excluded.version, metadata = excluded.metadata, value = excluded.value
"""
_DELETE = "DELETE FROM entries WHERE key = ?"
_LIST = "SELECT key, version FROM entries WHERE key >= ?1 AND key > ?2 AND key < ?3 ORDER BY key LIMIT ?4"
_LIST_TO_THE_END = "SELECT key, version FROM entries WHERE key >= ?1 AND key > ?2 ORDER BY key LIMIT ?4"
_NEXT = "UPDATE numbers SET last = last + 1 RETURNING last"


class LocalKv:
    """The entries of one folder. It belongs to no event loop: calls may come from any."""

    Options: ClassVar = FileOptions
    packs = False  # a list is one request, or two

    def __init__(self, file: LocalFile) -> None:
        self._file = file
        self.info = file.info
        self.marker = file.marker

    @classmethod
    async def open(cls, target: Target, options: FileOptions, report: BackendReport) -> Self:
        """Open the folder that the URL names.

        Raises:
            BackendError: If it names none, or the folder cannot be opened.
        """
        return cls(await LocalFile.open(target, "kv.db", _SCHEMA, options, report))

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        return (await self.get_many([key], max_bytes=NO_LIMIT))[0]

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each key, without values that are larger than `max_bytes`."""
        return await self._file.reader.run(_select, keys, max_bytes)

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        version = new_version()
        await self._file.writer.run(_put, (key, version, metadata, value), expected)
        return version

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something."""
        return await self._file.writer.run(_delete, key, expected)

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order."""
        end = range_end(prefix)
        statement = _LIST_TO_THE_END if end is None else _LIST
        rows = await self._file.reader.run(_select_rows, statement, (prefix, after or "", end, limit))
        return page_of([Listed(*row) for row in rows], limit)

    async def next_number(self) -> int:
        """Return a number above all that this gave before."""
        return await self._file.writer.run(_count)

    async def aclose(self) -> None:
        """Let what was begun end, and close the file."""
        await self._file.aclose()


def _select(db: sqlite3.Connection, keys: Sequence[str], max_bytes: int) -> list[Entry | None]:
    found: list[Entry | None] = []
    for key in keys:
        rows = _select_rows(db, _GET, (key, max_bytes))
        found.append(_entry(*rows[0]) if rows else None)
    return found


def _entry(value: bytes | None, version: str, metadata: bytes) -> Entry:
    return Entry(value or b"", version, metadata, value is not None)


def _select_rows(db: sqlite3.Connection, statement: str, args: tuple[Any, ...]) -> list[Any]:
    return db.execute(statement, args).fetchall()  # to the end, which ends the reading


def _put(db: sqlite3.Connection, row: tuple[str, str, bytes, bytes], expected: Expected) -> None:
    with transaction(db):
        if expected is not ANY and _version(db, row[0]) != expected:
            raise conflict()
        db.execute(_PUT, row)


def _delete(db: sqlite3.Connection, key: str, expected: Expected) -> bool:
    with transaction(db):
        if expected is not ANY and _version(db, key) not in {ABSENT, expected}:
            raise conflict()
        return db.execute(_DELETE, (key,)).rowcount > 0


def _version(db: sqlite3.Connection, key: str) -> Expected:
    rows = db.execute(_VERSION, (key,)).fetchall()
    return rows[0][0] if rows else ABSENT


def _count(db: sqlite3.Connection) -> int:
    with transaction(db):
        rows = db.execute(_NEXT).fetchall()
        number: int = rows[0][0]
        return number
