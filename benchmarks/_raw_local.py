"""SQLite by the `sqlite3` module alone: the file and statements of the backend."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")

_GET = "SELECT body FROM records WHERE tenant = '' AND entity = ? AND id = ?"
_LIST = "SELECT body FROM records WHERE tenant = '' AND entity = ? AND session = ? ORDER BY seq"
_PUT = """
INSERT INTO records(tenant, entity, id, session, seq, body)
VALUES ('', ?1, ?2, ?3, 1 + coalesce((
    SELECT max(seq) FROM records WHERE tenant = '' AND entity = ?1 AND session = ?3), 0), ?4)
ON CONFLICT(tenant, entity, id) DO UPDATE SET
    seq = CASE WHEN session IS excluded.session THEN seq ELSE excluded.seq END,
    session = excluded.session,
    body = excluded.body
"""
_FILL = "INSERT INTO records(tenant, entity, id, session, seq, body) VALUES ('', 'message', ?, ?, ?, ?)"


class RawLocal:
    """One connection that reads and one that writes, each with a thread, as any user of asyncio needs them."""

    def __init__(self, path: Path) -> None:
        """Open a database that the backend has made."""
        self._reader, self._read = _open(path)
        self._writer, self._write = _open(path)

    async def aclose(self) -> None:
        """Close the file."""
        for thread, connection in ((self._read, self._reader), (self._write, self._writer)):
            await asyncio.to_thread(thread.shutdown)
            connection.close()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One SELECT."""
        return await self._run(self._read, self._select, "session", id_)

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One INSERT ... ON CONFLICT, a transaction by itself."""
        await self._run(self._write, self._insert, "session", id_, None, orjson.dumps(record))

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """BEGIN IMMEDIATE, SELECT, INSERT ... ON CONFLICT, COMMIT."""
        return await self._run(self._write, self._merge, "session", id_, updates)

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """One SELECT."""
        return await self._run(self._read, self._select, "message", id_)

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """One INSERT ... ON CONFLICT, a transaction by itself."""
        await self._run(self._write, self._insert, "message", id_, record["sessionId"], orjson.dumps(record))

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """BEGIN IMMEDIATE, SELECT, INSERT ... ON CONFLICT, COMMIT."""
        return await self._run(self._write, self._merge, "message", id_, updates)

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """One SELECT."""
        return await self._run(self._read, self._select_session, session_id)

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write the rows in one transaction."""
        counts: dict[str, int] = {}
        rows: list[tuple[Any, ...]] = []
        for record in messages:
            home = record["sessionId"]
            counts[home] = counts.get(home, 0) + 1
            rows.append((record["id"], home, counts[home], orjson.dumps(record)))
        await self._run(self._write, self._insert_many, rows)

    async def _run(self, thread: ThreadPoolExecutor, job: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(thread, job, *arguments)

    def _select(self, entity: str, id_: str) -> dict[str, Any] | None:
        row = self._reader.execute(_GET, (entity, id_)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def _select_session(self, session_id: str) -> list[dict[str, Any]]:
        rows = self._reader.execute(_LIST, ("message", session_id)).fetchall()
        return [orjson.loads(text) for (text,) in rows]

    def _insert(self, *row: Any) -> None:
        self._writer.execute(_PUT, row)

    def _insert_many(self, rows: list[tuple[Any, ...]]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        self._writer.executemany(_FILL, rows)
        self._writer.execute("COMMIT")

    def _merge(self, entity: str, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            row = self._writer.execute(_GET, (entity, id_)).fetchone()
            if row is None:
                return None
            record: dict[str, Any] = {**orjson.loads(row[0]), **updates}
            home = record["sessionId"] if entity == "message" else None
            self._writer.execute(_PUT, (entity, id_, home, orjson.dumps(record)))
            return record
        finally:
            self._writer.execute("COMMIT")


def _open(path: Path) -> tuple[sqlite3.Connection, ThreadPoolExecutor]:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")  # the file itself says that it keeps a write-ahead log
    return connection, ThreadPoolExecutor(1)
