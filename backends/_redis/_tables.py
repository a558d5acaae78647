"""The two shapes of record in Redis.

| record | key | value |
|---|---|---|
| session, sandbox, setup | `PREFIX:TENANT:session:ID` | a hash, field -> JSON: updates of fields never meet |
| message, part | `PREFIX:TENANT:messages:SESSION` | a hash: id -> sequence number, JSON, updates, one a line |
| | `PREFIX:TENANT:message:ID` | the pointer: sequence number and session |

The tenant is percent-encoded and the prefix has no colon, so that no id or tenant reaches a key of another.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

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
from storescope.backends._scan import ScannedRecord, ScanPage, bad_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.backends._codec import Record
    from storescope.backends._redis._server import Server

_SENTINEL = b"\xff"
"""The field that keeps an empty record's hash in being, and the counter of a session's hash."""

_POSITION_DIGITS = 20  # of a 64-bit integer
_MAX_UPDATES = 16
_MAX_UPDATE_BYTES = 65_536


class _RedisTable:
    def __init__(self, server: Server, entity: str) -> None:
        self._client = server.client
        self._scripts = server.scripts
        self._read = server.read
        self._write = server.write
        self._report = server.report
        self._max_bytes = server.max_bytes
        self._prefix = server.prefix
        self._entity = entity

    def _key(self, tenant: str, id_: str) -> str:
        return f"{self._prefix}:{quote(tenant, safe='') if tenant else ''}:{self._entity}:{id_}"

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        raise NotImplementedError

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        position = _read_position(cursor)
        pattern = f"{self._prefix}:*:{self._entity}:*" if tenant is None else self._key(tenant, "*")
        keys: list[bytes] = []
        while not keys:
            position, keys = await self._read(self._client.scan, position, pattern, limit)
            if not position:
                break
        found = [await self._find(key) for key in dict.fromkeys(keys)]
        return ScanPage([record for record in found if record], str(position) if position else None)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""
        return bool(await self._write(self._client.unlink, self._key(tenant, id)))

    async def _find(self, key: bytes) -> ScannedRecord | None:
        """Return the record that a key stands for; None if it is gone, or the pattern matched too much."""
        _, tenant, entity, id_ = key.decode().split(":", 3)
        if entity != self._entity:
            return None
        tenant = unquote(tenant)
        record = await self.get(tenant, id_)
        return None if record is None else ScannedRecord(tenant, id_, record)


def _read_position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _POSITION_DIGITS):
        raise bad_cursor()
    if (position := int(cursor)) >> 64:
        raise bad_cursor()
    return position


class HashTable(_RedisTable):
    """One hash for each record, one field of it for each field."""

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


class SessionTable(_RedisTable):
    """One hash for all records of a session, so that a list is one command; a pointer finds a record by id.

    An update is appended as a line, which needs neither a merge on the server nor a second try here.
    Readers merge the lines. An updater that finds many of them writes the merged record in their place.
    """

    def _hashes(self, tenant: str) -> str:
        """Return what the keys of all the tenant's session hashes begin with."""
        return f"{self._prefix}:{quote(tenant, safe='') if tenant else ''}:{self._entity}s:"

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        value = await self._read(
            self._scripts.get_in_session, (self._key(tenant, id),), (self._hashes(tenant), id)
        )
        return None if value is None else _from_value(value)

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
        seq, text, *lines = value.split(b"\n")
        if len(lines) < _MAX_UPDATES and sum(map(len, lines)) < _MAX_UPDATE_BYTES:
            return decode_merged(text, *lines)
        text, record = merge(text, *lines)
        digest = sha1(value, usedforsecurity=False).hexdigest()
        with suppress(BackendError):  # the update is in; the next updater will try this again
            if not await self._write(self._scripts.compact, (key,), (hashes, id, digest, seq + b"\n" + text)):
                self._report.add("update_conflicts")
        return record

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, its pointer and its place in the session, and return whether there was one."""
        return bool(
            await self._write(self._scripts.purge_in_session, (self._key(tenant, id),), (self._hashes(tenant), id))
        )

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in one round trip."""
        values: list[Any] = await self._read(self._client.hvals, self._hashes(tenant) + session_id)
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


def _from_value(value: bytes) -> Record:
    _, text, *lines = value.split(b"\n")
    return decode_merged(text, *lines)
