"""The records that belong to no session: one item each."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import partial
from typing import TYPE_CHECKING

import orjson

from storescope.backends._codec import decode, encode, merge
from storescope.backends._dynamodb._calls import unchanged
from storescope.backends._dynamodb._items import (
    ALONE,
    check_size,
    encoded,
    key,
    new_version,
    partition,
    read_partition,
)
from storescope.backends._dynamodb._server import AGAIN
from storescope.backends._scan import ScannedRecord, ScanPage, bad_cursor

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._dynamodb._calls import Calls
    from storescope.backends._dynamodb._items import Item, Key
    from storescope.backends._dynamodb._server import Again, Server


class DynamoTable:
    """What both kinds of table have in common: a scan that finds each record by an item of its own."""

    def __init__(self, entity: str, server: Server, calls: Calls) -> None:
        self._entity = entity
        self._server = server
        self._calls = calls

    def _pk(self, tenant: str, id_: str) -> str:
        return partition(tenant, self._entity, id_)

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest."""
        after = _read_cursor(cursor)
        prefix = "" if tenant is None else f"{encoded(tenant)}#{self._entity}#"
        items: list[Item] = []
        while not items:
            ask = partial(self._calls.scan, self._entity, prefix, after, limit)
            items, after = await self._server.run(ask)
            if after is None:
                break
        found = [await self._find(item) for item in items]
        return ScanPage([record for record in found if record], _write_cursor(after) if after else None)

    async def _find(self, item: Item) -> ScannedRecord | None:
        """Return the record that a scanned item stands for."""
        raise NotImplementedError


def _read_cursor(cursor: str | None) -> Key | None:
    if cursor is None:
        return None
    try:
        pk, sk = orjson.loads(urlsafe_b64decode(cursor))
    except (ValueError, TypeError):
        raise bad_cursor() from None
    if not (isinstance(pk, str) and isinstance(sk, str) and pk and sk):
        raise bad_cursor()
    return key(pk, sk)


def _write_cursor(place: Key) -> str:
    return urlsafe_b64encode(orjson.dumps([place["pk"]["S"], place["sk"]["S"]])).decode()


class RecordTable(DynamoTable):
    """One item for each record; an update is written on the condition that the record is as it was read."""

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        item = await self._server.run(partial(self._calls.get, key(self._pk(tenant, id))))
        return None if item is None else decode(item["body"].encode())

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        await self._server.run(partial(self._calls.put, self._item(tenant, id, encode(record))), writes=True)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in and return the record; None if there is none. Two requests if nobody interferes."""
        patch = encode(updates)
        pk = self._pk(tenant, id)

        async def swap(_: int) -> Record | Again | None:
            old = await self._calls.get(key(pk))
            if old is None:
                return None
            text, record = merge(old["body"].encode(), patch)
            done = await self._calls.put(self._item(tenant, id, text), unchanged(old["ver"]))
            return record if done else AGAIN

        return await self._server.write(pk, swap)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""
        place = key(self._pk(tenant, id))

        async def delete() -> bool:
            found = await self._calls.get(place)
            await self._calls.delete(place)
            return found is not None

        return await self._server.run(delete, writes=True)

    def _item(self, tenant: str, id_: str, text: bytes) -> Item:
        item = {"pk": self._pk(tenant, id_), "sk": ALONE, "kind": self._entity, "ver": new_version()}
        return check_size({**item, "body": text.decode()})

    async def _find(self, item: Item) -> ScannedRecord | None:
        tenant, id_ = read_partition(item["pk"])
        return ScannedRecord(tenant, id_, decode(item["body"].encode()))
