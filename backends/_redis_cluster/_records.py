"""Messages and parts in a cluster; `_places.py` says where they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from storescope import BackendError
from storescope.backends._codec import encode
from storescope.backends._redis._errors import check_size
from storescope.backends._redis._tables import RedisTable, compact, from_value, in_order
from storescope.backends._redis_cluster._lists import settle_marks
from storescope.backends._redis_cluster._places import Place, Write
from storescope.backends._redis_cluster._scripts import SlotScripts

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._redis._keys import SlotKeys
    from storescope.backends._redis_cluster._server import ClusterServer


class SpreadTable(RedisTable):
    """One hash for all records of a session, in the session's slot; a pointer in the record's own."""

    def __init__(self, server: ClusterServer, keys: SlotKeys, entity: str) -> None:
        super().__init__(server, keys, entity)
        self._slot_keys = keys
        self._scripts = SlotScripts(server.client)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        line = await self._read(self._place(tenant, id).read)
        return None if line is None else from_value(line)

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        text = encode(record)
        check_size(len(text), self._max_bytes)
        write = Write("set", text, record["sessionId"], self._max_bytes)
        await self._write(self._place(tenant, id).write, write)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Append `updates` and return the record; None if there is none."""
        text = encode(updates)
        check_size(len(text), self._max_bytes)
        write = Write("update", text, updates.get("sessionId", ""), self._max_bytes)
        session, line = await self._write(self._place(tenant, id).write, write)
        if line is None:
            return None
        record, compacted = compact(line)
        if compacted is not None:
            with suppress(BackendError):  # the update is in; the next updater will try this again
                key = self._slot_keys.session(tenant, self._entity, session)
                if not await self._write(self._scripts.compact, (key,), (id, *compacted)):
                    self._report.add("update_conflicts")
        return record

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, its pointer and its place in the session, and return whether there was one."""
        return bool(await self._write(self._place(tenant, id).delete))

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in one round trip if none is on the move."""
        key = self._slot_keys.session(tenant, self._entity, session_id)
        try:
            return in_order(await self._read(self._client.hvals, key))
        except ValueError:  # a sequence number with a mark
            return in_order(await self._read(self._list_marked, tenant, session_id, key))

    async def _list_marked(self, tenant: str, session_id: str, key: str) -> list[bytes]:
        lines: dict[Any, Any] = await self._client.hgetall(key)
        return await settle_marks(lines, session_id, lambda id_: self._place(tenant, id_.decode()))

    def _place(self, tenant: str, id: str) -> Place:
        return Place(self._client, self._scripts, self._slot_keys, self._entity, (tenant, id))
