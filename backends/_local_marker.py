"""The residency marker of a folder: one row in a table that is made with it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from os import statvfs
from typing import TYPE_CHECKING

from storescope import BackendError
from storescope.backends._identity import Identity
from storescope.backends._machine import machine_id
from storescope.backends._sqlite import transaction

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from storescope.backends._sqlite_worker import Worker

_CREATE = """
CREATE TABLE IF NOT EXISTS residency_marker(one INTEGER PRIMARY KEY CHECK (one = 1), marker TEXT NOT NULL)
"""
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'residency_marker'"
_READ = "SELECT marker FROM residency_marker"
_PUT = "INSERT INTO residency_marker(one, marker) VALUES (1, ?) ON CONFLICT(one) DO "


class LocalMarker:
    """The marker of one SQLite file."""

    def __init__(self, path: Path, reader: Worker, writer: Worker) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer

    async def identify(self) -> Identity:
        """Return the file's real path, this machine, its file system and inode: a copy of it has another inode.

        The file system's own id is taken where it has one: unlike the number of the device, it is the same after
        the machine was started anew.
        """
        return await asyncio.to_thread(_identify, self._path)

    async def read(self) -> str | None:
        """Return the text, or None."""
        return await self._reader.run(_select)

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, over another only if told so, and return whether it was written."""
        then = "UPDATE SET marker = excluded.marker" if replace else "NOTHING"
        return await self._writer.run(_put, _PUT + then, text)


def _identify(path: Path) -> Identity:
    try:
        real = path.resolve(strict=True)
        file, system = real.stat(), statvfs(real)
    except OSError as error:
        raise BackendError(
            f"the file of this local: backend is gone ({error.strerror})", driver_error=type(error).__name__
        ) from None
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(real))
    return Identity(f"local:{shown}", machine=machine_id(), file=f"{system.f_fsid or file.st_dev}:{file.st_ino}")


def _select(db: sqlite3.Connection) -> str | None:
    with closing(db.execute(_IS_THERE)) as rows:
        if rows.fetchone() is None:
            return None
    with closing(db.execute(_READ)) as rows:
        row = rows.fetchone()
    return None if row is None else str(row[0])


def _put(db: sqlite3.Connection, statement: str, text: str) -> bool:
    with transaction(db):
        db.execute(_CREATE)
        return db.execute(statement, (text,)).rowcount > 0
