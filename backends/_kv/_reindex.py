"""Making a store's index entries anew, while it is in use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from storescope import IndexConflictError, VersionConflictError
from storescope.backends._codec import decode
from storescope.backends._kv._engine import NO_LIMIT
from storescope.backends._kv._index import claimants, is_unique
from storescope.backends._kv._record import Record, read_beside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storescope.backends._kv._engine import Entry, KvEngine, Listed
    from storescope.backends._kv._index import Places
    from storescope.backends._kv._write import Writer

_PAGE = 200


class Reindexed(NamedTuple):
    """What `reindex` did.

    Attributes:
        records: How many records there are.
        added: How many index entries were missing.
        removed: How many led to no record that has them.
        conflicts: The keys of records that have a text which, by a unique index, is another's: left as they are.
    """

    records: int
    added: int
    removed: int
    conflicts: tuple[str, ...]


class Reindexer:
    """Makes the index entries of one store anew."""

    def __init__(self, engine: KvEngine, places: Places, writer: Writer) -> None:
        self._engine = engine
        self._places = places
        self._writer = writer

    async def run(self) -> Reindexed:
        """Make what is missing, then take away what leads nowhere."""
        records = added = removed = 0
        conflicts: list[str] = []
        async for listed in self._list(self._places.records("")):
            key = self._places.key(listed.key)
            records += 1
            try:
                added += await self._complete(key)
            except IndexConflictError:
                conflicts.append(key)
        async for listed in self._list(self._places.entries):
            removed += await self._take_orphan(listed)
        return Reindexed(records, added, removed, tuple(conflicts))

    async def _list(self, prefix: str) -> AsyncIterator[Listed]:
        after: str | None = None
        while True:
            page = await self._engine.list(prefix, after=after, limit=_PAGE)
            for listed in page.keys:
                yield listed
            after = page.after
            if after is None:
                return

    async def _complete(self, key: str) -> int:
        """Make what is missing of a record, and return how many entries that were."""
        entry = await self._engine.get(self._places.record(key))
        if entry is None:
            return 0
        tails = await self._writer.tails(self._places.starts(decode(entry.value)), read_beside(entry)[0])
        missing = [tail for tail, found in zip(tails, await self._found(key, tails), strict=True) if not found]
        if tails != read_beside(entry)[0]:  # the store's indexes are not those that it was written with
            await self._writer.change(key, self._renewed)
            return len(missing)
        for tail in missing:
            with suppress(VersionConflictError):  # somebody else is making it
                await self._writer.claim(key, tail)
        return len(missing)

    async def _found(self, key: str, tails: list[str]) -> list[bool]:
        if not tails:
            return []
        places = [self._places.entry(tail, key) for tail in tails]
        found = await self._engine.get_many(places, max_bytes=NO_LIMIT)
        owner = key.encode()
        return [
            entry is not None and (not is_unique(tail) or entry.value == owner)
            for tail, entry in zip(tails, found, strict=True)
        ]

    def _renewed(self, entry: Entry | None) -> Record | None:
        if entry is None:
            return None
        return Record(entry.value, self._places.starts(decode(entry.value)), read_beside(entry)[1])

    async def _take_orphan(self, listed: Listed) -> bool:
        """Take an entry away if no record has it, and look again: it may have been made for one just written."""
        tail, keys = await self._claimants(listed)
        if await self._writer.holder(keys, tail) is not None:
            return False
        try:
            gone = await self._engine.delete(listed.key, expected=listed.version)
        except VersionConflictError:  # somebody has just made it anew
            return False
        holder = await self._writer.holder(keys, tail)
        if holder is not None:
            with suppress(VersionConflictError, IndexConflictError):
                await self._writer.claim(holder, tail)
            return False
        return gone

    async def _claimants(self, listed: Listed) -> tuple[str, list[str]]:
        """Return the tail of an entry, and the keys of the records that may have it."""
        tail = listed.key[len(self._places.entries) :]
        if not is_unique(tail):
            tail, key = self._places.split(listed.key)
            return tail, [key]
        entry = await self._engine.get(listed.key)
        return tail, claimants(entry) if entry else []
