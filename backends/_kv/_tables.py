"""The records of agents as records of the KV layer.

| what | key |
|---|---|
| a record | `agent/ENTITY/TENANT/ID` |
| its place in its session | in the index `by_session`: `TENANT/SESSION`, in order of a number |

The number is one that the engine gives out when a record comes into a session. Names that are long, or hold more
than letters, digits and `_ . -`, stand in keys as 160 bits of their SHA-256, so that none is too long for a store
and none reaches another's record; tenant and id are stored beside each record as they are.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from storescope.backends._codec import decode, encode, merge
from storescope.backends._kv._engine import NO_LIMIT
from storescope.backends._kv._index import Index, Places, start_of
from storescope.backends._kv._object_names import start_of as start_of_object
from storescope.backends._kv._read import Reader
from storescope.backends._kv._record import Record as Stored
from storescope.backends._kv._write import Writer
from storescope.backends._scan import ScannedRecord, ScanPage, cursor_at, read_place

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._kv._engine import Entry, KvEngine
    from storescope.backends._kv._read import KvEntry
    from storescope.reports import BackendReport

_SHORT = re.compile(r"[A-Za-z0-9_.-]+")
_MOST = 43  # bytes of a name in an object's: SeaweedFS and MinIO hold a whole index entry's to 255
_BY_SESSION = "by_session"
_INDEX = Index(key=lambda record: record["sessionId"], order="insertion")
_PAGE = 500  # records that are read at once


class KvTable:
    """The records of one entity."""

    def __init__(self, entity: str, engine: KvEngine, report: BackendReport, *, in_session: bool = False) -> None:
        self._places = Places(f"agent/{entity}/", {_BY_SESSION: _INDEX} if in_session else {})
        self._in_session = in_session
        self._reader = Reader(engine, self._places, inline=NO_LIMIT)
        self._writer = Writer(engine, self._places, report)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        record: Record | None = await self._reader.get_value(_key(tenant, id))
        return record

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        stored = self._stored(tenant, id, encode(record), record)
        if self._in_session:
            await self._writer.change(_key(tenant, id), lambda _: stored)
        else:
            await self._writer.put(_key(tenant, id), stored)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in and return the record; None if there is none."""
        patch = encode(updates)

        def decide(entry: Entry | None) -> Stored | None:
            return entry and self._stored(tenant, id, *merge(entry.value, patch))

        written = await self._writer.change(_key(tenant, id), decide)
        return None if written is None else decode(written.record.value)

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion: two round trips for every 500."""
        pages = self._reader.pages_of_index(_BY_SESSION, _key(tenant, session_id), _PAGE)
        return [await entry.value async for page in pages for entry in page.entries]

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        prefix = "" if tenant is None else _key(tenant, "")
        after = None if cursor is None else read_place(cursor)[1]
        page = await self._reader.page(prefix, after, limit)
        records = [ScannedRecord(*_names(entry), await entry.value) for entry in page.entries]
        return ScanPage(records, page.cursor and cursor_at("", page.cursor))

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record and its place in its session, and return whether there was one."""
        return await self._writer.remove(_key(tenant, id))

    def _stored(self, tenant: str, id_: str, text: bytes, record: Record) -> Stored:
        starts = [start_of(_BY_SESSION, _key(tenant, record["sessionId"]))] if self._in_session else []
        return Stored(text, starts, [tenant, id_])


def _names(entry: KvEntry[Record, list[str]]) -> tuple[str, str]:
    tenant, id_ = entry.metadata
    return tenant, id_


def _key(tenant: str, name: str) -> str:
    return f"{_short(tenant)}/{_short(name)}"


def _short(name: str) -> str:
    if not name or (_SHORT.fullmatch(name) and len(start_of_object(name)) <= _MOST):
        return name
    return "~" + sha256(name.encode()).hexdigest()[:40]  # 160 bits
