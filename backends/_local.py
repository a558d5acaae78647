"""`local:PATH`, the embedded default: one SQLite file, written by one thread and read by another.

`records` holds every record as one row. A session's records are ordered by `seq`, which counts within the
session: an update keeps its row's, a move takes the next one of the session that it goes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from storescope.backends._codec import decode, encode, merge
from storescope.backends._effects import Effect, rerunnable_id
from storescope.backends._local_effects import LocalEffects, forget_effects, in_transaction
from storescope.backends._local_file import FileOptions, LocalFile
from storescope.backends._scan import page_of, read_place
from storescope.backends._sqlite import RECORDS, transaction

if TYPE_CHECKING:
    import sqlite3

    from storescope.backends._codec import Record
    from storescope.backends._local_effects import Job
    from storescope.backends._options import Target
    from storescope.backends._scan import ScanPage
    from storescope.backends._sqlite_worker import Worker
    from storescope.backends._tables import Site

_GET = "SELECT body FROM records WHERE tenant = ? AND entity = ? AND id = ?"
_LIST = "SELECT body FROM records WHERE tenant = ? AND entity = ? AND session = ? ORDER BY seq"
_SCAN = "SELECT tenant, id, body FROM records WHERE tenant = ? AND entity = ? AND id > ? ORDER BY id LIMIT ?"
_SCAN_ALL = """
SELECT tenant, id, body FROM records WHERE (tenant, entity, id) > (?, ?, ?) AND entity = ?
ORDER BY tenant, entity, id LIMIT ?
"""
_PURGE = "DELETE FROM records WHERE tenant = ? AND entity = ? AND id = ?"
_PUT = """
INSERT INTO records(tenant, entity, id, session, seq, body)
VALUES (?1, ?2, ?3, ?4, 1 + coalesce((
    SELECT max(seq) FROM records WHERE tenant = ?1 AND entity = ?2 AND session = ?4), 0), ?5)
ON CONFLICT(tenant, entity, id) DO UPDATE SET
    seq = CASE WHEN session IS excluded.session THEN seq ELSE excluded.seq END,
    session = excluded.session,
    body = excluded.body
"""


class LocalTable:
    """The records of one entity."""

    def __init__(
        self,
        entity: str,
        reader: Worker,
        writer: Worker,
        effects: LocalEffects,
        *,
        in_session: bool = False,
    ) -> None:
        self._entity = entity
        self._effects = effects
        self._reader = reader
        self._writer = writer
        self._in_session = in_session

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        text = await self._reader.run(_select, (tenant, self._entity, id))
        return None if text is None else decode(text)

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        row = (tenant, self._entity, id, self._home(record), encode(record))
        await self._write(tenant, id, "set", partial(_put, row=row))

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in, under the write lock, and return the record; None if there is none."""
        merge_in = partial(self._merge, key=(tenant, self._entity, id), updates=encode(updates))
        text = await self._write(tenant, id, "update", merge_in)
        return None if text is None else decode(text)

    async def _write(self, tenant: str, id_: str, verb: str, job: Job) -> bytes | None:
        """Run a job in a transaction; one of a rerun call only if it was not run before."""
        call_id = rerunnable_id(self._effects.days)
        if call_id is None:
            return await self._writer.run(in_transaction, job)
        effect = Effect(tenant, call_id, self._entity, verb, id_)
        return await self._writer.run(self._effects.once, effect, job)

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion."""
        return await self._reader.run(_select_session, (tenant, self._entity, session_id))

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        after = read_place(cursor)
        if tenant is None:
            args: tuple[Any, ...] = (_SCAN_ALL, (after[0], self._entity, after[1], self._entity, limit))
        else:
            args = (_SCAN, (tenant, self._entity, after[1], limit))
        return page_of(await self._reader.run(_select_all, *args), limit)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""
        return await self._writer.run(_delete, (tenant, self._entity, id))

    def _merge(self, db: sqlite3.Connection, key: tuple[str, str, str], updates: bytes) -> bytes | None:
        text = _select(db, key)
        if text is None:
            return None
        text, record = merge(text, updates)
        db.execute(_PUT, (*key, self._home(record), text))
        return text

    def _home(self, record: Record) -> str | None:
        return record["sessionId"] if self._in_session else None


def _select(db: sqlite3.Connection, key: tuple[str, str, str]) -> bytes | None:
    rows = db.execute(_GET, key).fetchall()  # to the end, which ends the reading
    return rows[0][0] if rows else None


def _select_session(db: sqlite3.Connection, key: tuple[str, str, str]) -> list[Record]:
    return [decode(text) for (text,) in db.execute(_LIST, key).fetchall()]


def _select_all(db: sqlite3.Connection, statement: str, args: tuple[Any, ...]) -> list[Any]:
    return db.execute(statement, args).fetchall()


def _delete(db: sqlite3.Connection, key: tuple[str, str, str]) -> bool:
    with transaction(db):
        forget_effects(db, key)
        return db.execute(_PURGE, key).rowcount > 0


def _put(db: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    db.execute(_PUT, row)


@dataclass(frozen=True, slots=True)
class LocalOptions(FileOptions):
    """What `local:` takes.

    Attributes:
        effect_days: For how many days a write that came with a call id, as those of durable steps do, is known, so
            that it is not made again; 0 for not at all.
    """

    effect_days: float = 0.0


class LocalEngine:
    """The tables of one folder. It belongs to no event loop: calls may come from any."""

    Options: ClassVar = LocalOptions

    def __init__(self, file: LocalFile, effects: LocalEffects) -> None:
        self._file = file
        self._effects = effects
        self.session = self._table("session")
        self.message = self._table("message", in_session=True)
        self.part = self._table("part", in_session=True)
        self.sandbox = self._table("sandbox")
        self.setup = self._table("setup")
        self.marker = file.marker
        self.info = file.info

    @classmethod
    async def open(cls, target: Target, options: LocalOptions, site: Site) -> Self:
        """Open the folder that the URL names.

        Raises:
            BackendError: If it names none, or the folder cannot be opened.
        """
        effects = LocalEffects(options.effect_days)
        return cls(await LocalFile.open(target, "storage.db", RECORDS, options, site.report), effects)

    async def aclose(self) -> None:
        """Let what was begun end, and close the file."""
        await self._file.aclose()

    def _table(self, entity: str, *, in_session: bool = False) -> LocalTable:
        return LocalTable(entity, self._file.reader, self._file.writer, self._effects, in_session=in_session)
