"""Making a store's index entries anew, while it is in use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from storescope import IndexConflictError, VersionConflictError
from storescope.backends._codec import decode
from storescope.backends._kv._engine import NO_LIMIT, all_keys
from storescope.backends._kv._entries import Entries
from storescope.backends._kv._index import claimants, is_unique, numbered_start
from storescope.backends._kv._record import Record, entry_version, read_beside

if TYPE_CHECKING:
    from storescope.backends._kv._engine import Entry, KvEngine, Listed
    from storescope.backends._kv._index import Places
    from storescope.backends._kv._write import Writer


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
        self._entries = Entries(engine, places)

    async def run(self) -> Reindexed:
        """Make what is missing, then take away what leads nowhere, and all packs: lists make them anew."""
        records = added = removed = 0
        conflicts: list[str] = []
        async for listed in all_keys(self._engine, self._places.records("")):
            key = self._places.key(listed.key)
            records += 1
            try:
                added += await self._complete(key)
            except IndexConflictError:
                conflicts.append(key)
        async for listed in all_keys(self._engine, self._places.entries):
            removed += await self._take_orphan(listed)
        if self._engine.packs:
            await self._entries.drop_packs()
        return Reindexed(records, added, removed, tuple(conflicts))

    async def _complete(self, key: str) -> int:
        """Make what is missing of a record, and return how many entries that were."""
        entry = await self._engine.get(self._places.record(key))
        if entry is None:
            return 0
        tails = await self._writer.tails(self._places.starts(decode(entry.value)), read_beside(entry)[0])
        found = await self._found(key, tails)
        missing = [tail for tail in tails if tail not in found]
        # The store's indexes may not be those that it was written with; or it may not name its entries' versions.
        if tails != read_beside(entry)[0] or (self._engine.packs and not _may_be_packed(entry, tails, found)):
            await self._writer.change(key, self._renewed)
            return len(missing)
        for tail in missing:
            with suppress(VersionConflictError):  # somebody else is making it
                await self._writer.claim(key, tail)
        return len(missing)

    async def _found(self, key: str, tails: list[str]) -> dict[str, str]:
        """Return the versions of the record's entries that are there, by their tails."""
        if not tails:
            return {}
        places = [self._places.entry(tail, key) for tail in tails]
        found = await self._engine.get_many(places, max_bytes=NO_LIMIT)
        return {
            tail: entry.version
            for tail, entry in zip(tails, found, strict=True)
            if entry is not None and (not is_unique(tail) or entry.value == key.encode())
        }

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


def _may_be_packed(entry: Entry, tails: list[str], found: dict[str, str]) -> bool:
    """Return whether a record names the versions of its entries, or has one of a unique index and never does."""
    if any(map(is_unique, tails)):
        return True
    numbered = [tail for tail in tails if numbered_start(tail)]
    return all(tail in found and entry_version(entry, tail) == found[tail] for tail in numbered)
