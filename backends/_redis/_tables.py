"""The two shapes of record in Redis; `_keys.py` has the keys.

- session, sandbox, setup: a hash, field -> JSON: updates of fields never meet.
- message, part: a line each in their session's hash: id -> sequence number, JSON, updates, one a line; and a
  pointer: sequence number and session.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from storescope import BackendError
from storescope.backends._codec import (
    decode,
    decode_merged,
    decode_name,
    encode,
    encode_name,
    merge,
)
from storescope.backends._redis._errors import check_size
from storescope.backends._redis._scripts import FieldScripts, Scripts
from storescope.backends._scan import ScannedRecord, ScanPage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from storescope.backends._codec import Record
    from storescope.backends._redis._keys import Keys, PlainKeys
    from storescope.backends._redis._server import Server

_SENTINEL = b"\xff"
"""The field that keeps an empty record's hash in being, and the counter of a session's hash."""

_MAX_UPDATES = 16
_MAX_UPDATE_BYTES = 65_536


class RedisTable:
    """What all tables share."""

    def __init__(self, server: Server[Any], keys: Keys, entity: str) -> None:
        self._client = server.client
        self._read = server.read
        self._write = server.write
        self._scan = server.scan
        self._report = server.report
        self._max_bytes = server.max_bytes
        self._keys = keys
        self._entity = entity

    def _key(self, tenant: str, id_: str) -> str:
        return self._keys.record(tenant, self._entity, id_)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        raise NotImplementedError

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        keys: list[bytes] = []
        while not keys:
            keys, cursor = await self._scan(self._keys.every(tenant, self._entity), cursor, limit)
            if cursor is None:
                break
        found = [await self._find(key) for key in dict.fromkeys(keys)]
        return ScanPage([record for record in found if record], cursor)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""
        return bool(await self._write(self._client.unlink, self._key(tenant, id)))

    async def _find(self, key: bytes) -> ScannedRecord | None:
        """Return the record that a key stands for; None if it is gone, or the pattern matched too much."""
        tenant, entity, id_ = self._keys.read(key)
        if entity != self._entity:
            return None
        record = await self.get(tenant, id_)
        return None if record is None else ScannedRecord(tenant, id_, record)


class HashTable(RedisTable):
    """One hash for each record, one field of it for each field."""

    def __init__(self, server: Server[Any], keys: Keys, entity: str) -> None:
        super().__init__(server, keys, entity)
        self._scripts = FieldScripts(server.client)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        fields: dict[Any, Any] = await self._read(self._client.hgetall, self._key(tenant, id))
        return _from_fields(fields.items()) if fields else None

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        fields = self._to_fields(record) or [_SENTINEL, b""]
        await self._write(self._scripts.set_fields, (self._key(tenant, id),), fields)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Write the fields of `updates` and return the record; None if there is none."""
        fields = self._to_fields(updates)
        flat = await self._write(self._scripts.update_fields, (self._key(tenant, id),), fields)
        return None if flat is None else _from_fields(zip(flat[::2], flat[1::2], strict=True))

    def _to_fields(self, record: Record) -> list[bytes]:
        fields: list[bytes] = []
        for name, value in record.items():
            fields += (encode_name(name), encode(value))
        if sum(map(len, fields)) > self._max_bytes:  # rarely so; then look at each
            check_size(max(map(len, fields)), self._max_bytes)
        return fields


def _from_fields(fields: Iterable[tuple[bytes, bytes]]) -> Record:
    return {decode_name(name): decode(text) for name, text in fields if name != _SENTINEL}


class SessionTable(RedisTable):
    """One hash for all records of a session, so that a list is one command; a pointer finds a record by id.

    An update is appended as a line, which needs neither a merge on the server nor a second try here.
    Readers merge the lines. An updater that finds many of them writes the merged record in their place.
    """

    def __init__(self, server: Server[Redis], keys: PlainKeys, entity: str) -> None:
        super().__init__(server, keys, entity)
        self._plain_keys = keys
        self._scripts = Scripts(server.client)

    def _hashes(self, tenant: str) -> str:
        return self._plain_keys.sessions(tenant, self._entity)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        value = await self._read(
            self._scripts.get_in_session, (self._key(tenant, id),), (self._hashes(tenant), id)
        )
        return None if value is None else from_value(value)

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        text = encode(record)
        check_size(len(text), self._max_bytes)
        await self._write(
            self._scripts.set_in_session,
            (self._key(tenant, id),),
            (self._hashes(tenant), id, record["sessionId"], text),
        )

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Append `updates` and return the record; None if there is none."""
        text = encode(updates)
        check_size(len(text), self._max_bytes)
        key, hashes = self._key(tenant, id), self._hashes(tenant)
        value = await self._write(
            self._scripts.update_in_session, (key,), (hashes, id, updates.get("sessionId", ""), text)
        )
        if value is None:
            return None
        record, compacted = compact(value)
        if compacted is not None:
            with suppress(BackendError):  # the update is in; the next updater will try this again
                if not await self._write(self._scripts.compact, (key,), (hashes, id, *compacted)):
                    self._report.add("update_conflicts")
        return record

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, its pointer and its place in the session, and return whether there was one."""
        return bool(
            await self._write(self._scripts.purge_in_session, (self._key(tenant, id),), (self._hashes(tenant), id))
        )

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in one round trip."""
        return in_order(await self._read(self._client.hvals, self._hashes(tenant) + session_id))


def from_value(value: bytes) -> Record:
    """Return the record that a line of a session's hash holds."""
    _, text, *lines = value.split(b"\n")
    return decode_merged(text, *lines)


def compact(value: bytes) -> tuple[Record, tuple[str, bytes] | None]:
    """Return the record that such a line holds.

    Returns:
        The record, and, if it has gathered many updates, the line's SHA-1 and the line that should replace it.
    """
    seq, text, *lines = value.split(b"\n")
    if len(lines) < _MAX_UPDATES and sum(map(len, lines)) < _MAX_UPDATE_BYTES:
        return decode_merged(text, *lines), None
    text, record = merge(text, *lines)
    return record, (sha1(value, usedforsecurity=False).hexdigest(), seq + b"\n" + text)


def in_order(values: list[Any]) -> list[Record]:
    """Return the records of all lines of a session's hash by their sequence numbers. It empties the list."""
    placed: list[tuple[int, bytes]] = []
    while values:  # each is let go at once: a long list is there twice as texts else, beside its records
        seq, _, texts = values.pop().partition(b"\n")
        if texts:  # the counter has none
            placed.append((int(seq), texts))
    placed.sort(reverse=True)
    records: list[Record] = []
    while placed:
        _, texts = placed.pop()
        records.append(decode_merged(*texts.split(b"\n")) if b"\n" in texts else decode(texts))
    return records
