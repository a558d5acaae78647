"""Where a record of a session lies: its pointer says so, and says where it lay before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from storescope.backends._dynamodb._calls import ABSENT, SETTLED, Condition, unchanged
from storescope.backends._dynamodb._items import ALONE, check_size, key, new_version, partition

if TYPE_CHECKING:
    from storescope.backends._dynamodb._calls import Calls
    from storescope.backends._dynamodb._items import Item

_DIGITS = 20


class Place(NamedTuple):
    """A session, and a number that it gave out once.

    Attributes:
        home: The session.
        seq: The number, with leading zeros.
    """

    home: str
    seq: str


class Pointer(NamedTuple):
    """What the pointer says.

    Attributes:
        place: Where the record lies, or will once its first write or its move is done.
        old: Where it lay before it began to move there; None if it never moved.
        ver: The pointer's version.
    """

    place: Place
    old: Place | None
    ver: str


class Places:
    """The items of one tenant's records of one entity."""

    def __init__(self, calls: Calls, tenant: str, entity: str) -> None:
        self.calls = calls
        self._tenant = tenant
        self._entity = entity

    def pointer_pk(self, id_: str) -> str:
        """Return the partition of a record's pointer."""
        return partition(self._tenant, self._entity, id_)

    def session_pk(self, home: str) -> str:
        """Return the partition of a session."""
        return partition(self._tenant, f"{self._entity}s", home)

    async def pointer(self, id_: str) -> Pointer | None:
        """Return what a record's pointer says; None without one."""
        item = await self.calls.get(key(self.pointer_pk(id_)))
        if item is None:
            return None
        old = Place(item["old_home"], item["old_seq"]) if "old_home" in item else None
        return Pointer(Place(item["home"], item["seq"]), old, item["ver"])

    async def point(self, id_: str, place: Place, old: Place | None, found: Pointer | None) -> bool:
        """Write a record's pointer if it is still as it was found, and return whether it was."""
        item = {"pk": self.pointer_pk(id_), "sk": ALONE, "kind": self._entity, "ver": new_version()}
        item |= {"home": place.home, "seq": place.seq}
        if old is not None:
            item |= {"old_home": old.home, "old_seq": old.seq}
        return await self.calls.put(item, ABSENT if found is None else unchanged(found.ver))

    async def unpoint(self, id_: str, found: Pointer) -> bool:
        """Delete a record's pointer if it is still as it was found, and return whether it was."""
        return await self.calls.delete(key(self.pointer_pk(id_)), unchanged(found.ver))

    async def new_place(self, home: str) -> Place:
        """Return the last place in a session.

        A counter begins with the time in microseconds, so that it goes on behind one that was deleted.
        """
        count = await self.calls.count(key(self.session_pk(home)), time.time_ns() // 1000)
        return Place(home, f"{count:0{_DIGITS}}")

    async def record(self, place: Place) -> Item | None:
        """Return what lies at a place."""
        return await self.calls.get(key(self.session_pk(place.home), place.seq))

    def item(self, id_: str, place: Place, text: bytes) -> Item:
        """Return a record as it lies at a place.

        Raises:
            RecordTooLargeError: If DynamoDB would not keep it.
        """
        item = {"pk": self.session_pk(place.home), "sk": place.seq, "id": id_, "ver": new_version()}
        return check_size({**item, "body": text.decode()})

    async def insert(self, item: Item) -> bool:
        """Write a record where nothing lies, and return whether that was so."""
        return await self.calls.put(item, ABSENT)

    async def replace(self, item: Item, version: str | None = None) -> bool:
        """Write a record over itself: over that version, or over any that is not about to move."""
        return await self.calls.put(item, SETTLED if version is None else unchanged(version))

    async def mark(self, place: Place) -> Item | None:
        """Mark a record as about to move, and return it; None if there is none. Nobody writes it any more."""
        return await self.calls.mark(key(self.session_pk(place.home), place.seq), new_version())

    async def block(self, place: Place, when: Condition = ABSENT) -> bool:
        """Put there what is no record, so that none can be inserted there any more."""
        item = {"pk": self.session_pk(place.home), "sk": place.seq, "ver": new_version(), "gone": "1"}
        return await self.calls.put(item, when)

    async def clear(self, place: Place) -> None:
        """Delete what lies at a place."""
        await self.calls.delete(key(self.session_pk(place.home), place.seq))

    async def leave(self, place: Place) -> None:
        """Delete what lies at a place, and the session's counter if that was the last."""
        await self.clear(place)
        await self.forget_empty(place.home)

    async def listed(self, home: str) -> list[Item]:
        """Return what lies in a session, in order."""
        return await self.calls.query(self.session_pk(home), ALONE)

    async def forget_empty(self, home: str) -> None:
        """Delete the counter of a session that is empty."""
        counter = key(self.session_pk(home))
        found = await self.calls.get(counter)
        if found is not None and not await self.calls.query(self.session_pk(home), ALONE, limit=1):
            await self.calls.forget_count(counter, found["n"])


def is_record(item: Item | None) -> bool:
    """Return whether what lies at a place is a record."""
    return item is not None and "body" in item
