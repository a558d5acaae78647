"""The records that belong to a session: in its partition, in order of their arrival, each with a pointer to it.

No two items can be written together without DynamoDB's transactions, which cost twice as much. So each step
leaves a state in which every reader knows where the record is, also if the writer is killed there:

- *Insert*: a number from the session's counter; the pointer; the record, if nothing lies there, which counts.
- *Replace, update*: the record, if it is as it was read, or (for a `set`) not about to move.
- *Move*: a number from the other session's counter; the pointer, to there, with the old place; a mark on the
  record at the old place, which nobody writes from then on; the record at the new place, if nothing lies there,
  which counts; the old one is deleted. Until it counts the record is at the old place; readers look there too.
- *Take back* an insert or a move that somebody left undone (or is slow with): what blocks its place, so that it
  cannot count any more; the pointer, to the old place.
- *Purge*: the record is replaced by what blocks its place, which counts; the pointer; the block.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from storescope import BackendError
from storescope.backends._codec import decode, encode, merge
from storescope.backends._dynamodb._calls import unchanged
from storescope.backends._dynamodb._items import read_partition
from storescope.backends._dynamodb._places import Place, Places, Pointer, is_record
from storescope.backends._dynamodb._server import AGAIN
from storescope.backends._dynamodb._tables import DynamoTable
from storescope.backends._scan import ScannedRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.backends._codec import Record
    from storescope.backends._dynamodb._items import Item
    from storescope.backends._dynamodb._server import Again

_PATIENCE = 3
"""From which attempt on a writer takes back what another began and has not ended yet."""


class _Written(NamedTuple):
    """What a write came to.

    Attributes:
        record: The record; None for a `set`, and if there was none to update.
        left: Where it lay before, if it has moved.
    """

    record: Record | None
    left: Place | None = None


class _Change(NamedTuple):
    """What is to be written.

    Attributes:
        apply: Given the record's text, returns the new text, the session and what is returned to the caller.
        whole: The same without a text, if none is needed, as for a `set`.
    """

    apply: Callable[[bytes], tuple[bytes, str, Record | None]]
    whole: tuple[bytes, str] | None


class SessionTable(DynamoTable):
    """Messages or parts."""

    def _places(self, tenant: str) -> Places:
        return Places(self._calls, tenant, self._entity)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        item = await self._server.run(partial(_look, self._places(tenant), id))
        return None if item is None else decode(item["body"].encode())

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        text, home = encode(record), record["sessionId"]
        await self._write(tenant, id, _Change(lambda _: (text, home, None), (text, home)))

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in and return the record; None if there is none."""
        patch = encode(updates)

        def apply(old: bytes) -> tuple[bytes, str, Record]:
            text, record = merge(old, patch)
            return text, record["sessionId"], record

        return await self._write(tenant, id, _Change(apply, None))

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, by one query of as many pages as it takes."""
        places = self._places(tenant)

        async def read() -> list[Item]:
            found: dict[str, Item] = {}
            for item in await places.listed(session_id):
                if is_record(item) and ("moving" not in item or await _is_here(places, session_id, item)):
                    found.pop(item["id"], None)  # it left and came back while this was read
                    found[item["id"]] = item
            return list(found.values())

        return [decode(item["body"].encode()) for item in await self._server.run(read)]

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, its pointer and what a move may have left, and return whether there was one."""
        places = self._places(tenant)
        found = False

        async def attempt(number: int) -> bool | Again:
            nonlocal found
            pointer = await places.pointer(id)
            if pointer is None:
                return found
            item = await places.record(pointer.place)
            if item is None or ("body" not in item and pointer.old):
                await _settle(places, id, pointer, number)
                return AGAIN
            if pointer.old:
                await places.clear(pointer.old)
            if is_record(item) and not await places.block(pointer.place, unchanged(item["ver"])):
                return AGAIN
            found = found or is_record(item)
            if not await places.unpoint(id, pointer):
                return AGAIN
            if is_record(item):  # else the one who began to insert it may yet try
                await places.clear(pointer.place)
            await places.forget_empty(pointer.place.home)
            return found

        return await self._server.write(places.pointer_pk(id), attempt)

    async def _write(self, tenant: str, id_: str, change: _Change) -> Record | None:
        places = self._places(tenant)
        written = await self._server.write(places.pointer_pk(id_), partial(_attempt, places, id_, change))
        if written.left:
            with suppress(BackendError):  # the move is done; readers know that this is no record any more
                await self._server.run(partial(places.leave, written.left), writes=True)
        return written.record

    async def _find(self, item: Item) -> ScannedRecord | None:
        tenant, id_ = read_partition(item["pk"])
        record = await self.get(tenant, id_)
        return None if record is None else ScannedRecord(tenant, id_, record)


async def _look(places: Places, id_: str) -> Item | None:
    """Return the record. If it is not where its pointer says, it has moved meanwhile, or was never written."""
    before: Pointer | None = None
    while True:
        pointer = await places.pointer(id_)
        if pointer is None:
            return None
        for place in filter(None, (pointer.place, pointer.old)):
            item = await places.record(place)
            if is_record(item):
                return item
        if pointer == before:
            return None
        before = pointer


async def _is_here(places: Places, home: str, item: Item) -> bool:
    """Return whether a record that is marked has not moved."""
    here = Place(home, item["sk"])
    pointer = await places.pointer(item["id"])
    if pointer is None or here not in {pointer.place, pointer.old}:
        return False
    return here == pointer.place or not is_record(await places.record(pointer.place))


async def _attempt(places: Places, id_: str, change: _Change, number: int) -> _Written | Again:
    pointer = await places.pointer(id_)
    if pointer is None:
        return await _insert(places, id_, change, None)
    if change.whole and change.whole[1] == pointer.place.home and not number:
        text, _ = change.whole
        if await places.replace(places.item(id_, pointer.place, text)):
            return _Written(None)
    item = await places.record(pointer.place)
    if item is None or (pointer.old and "body" not in item):
        await _settle(places, id_, pointer, number)
        return AGAIN
    if "body" not in item or "moving" in item:  # is it so under this pointer, or did it move meanwhile?
        again = await places.pointer(id_)
        if again != pointer:
            return AGAIN
    if "body" not in item:
        return await _insert(places, id_, change, pointer)
    return await _change(places, id_, pointer, item, change)


async def _insert(places: Places, id_: str, change: _Change, found: Pointer | None) -> _Written | Again:
    if change.whole is None:
        return _Written(None)
    text, home = change.whole
    places.item(id_, Place(home, "0" * 20), text)  # too large? Then nothing is written
    place = await places.new_place(home)
    if not await places.point(id_, place, None, found):
        return AGAIN
    return _Written(None) if await places.insert(places.item(id_, place, text)) else AGAIN


async def _change(places: Places, id_: str, pointer: Pointer, item: Item, change: _Change) -> _Written | Again:
    text, home, record = change.apply(item["body"].encode())
    new = places.item(id_, pointer.place, text)
    if home == pointer.place.home:
        return _Written(record) if await places.replace(new, item["ver"]) else AGAIN
    place = await places.new_place(home)
    places.item(id_, place, text)
    if pointer.old:
        await places.clear(pointer.old)  # a move that was killed at the end may have left it
    if not await places.point(id_, place, pointer.place, pointer):
        return AGAIN
    marked = await places.mark(pointer.place)
    if marked is None:
        return AGAIN
    text, home, record = change.apply(marked["body"].encode())
    if home != place.home or not await places.insert(places.item(id_, place, text)):
        return AGAIN
    return _Written(record, left=pointer.place)


async def _settle(places: Places, id_: str, pointer: Pointer, number: int) -> None:
    """Take back an insert or a move that does not come to its end."""
    if number < _PATIENCE or await places.pointer(id_) != pointer:
        return
    blocked = await places.block(pointer.place)
    if pointer.old and (blocked or not is_record(await places.record(pointer.place))):
        await places.point(id_, pointer.old, None, pointer)
