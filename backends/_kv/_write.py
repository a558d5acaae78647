"""How a record is written, so that its indexes find it and nothing else, whoever else writes and whoever dies.

New index entries come first, then the record, then old entries go. Who is killed in between leaves entries too
many, which readers see through, and never one too few. An entry goes only if it has the version that it had before
the record left it, so that nobody who came back meanwhile loses theirs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, overload

from storescope import BackendError, IndexConflictError, VersionConflictError
from storescope.backends._kv._engine import ABSENT, ANY, NO_LIMIT, conflict
from storescope.backends._kv._index import claimants, index_name, is_unique
from storescope.backends._kv._record import beside, pauses, read_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from storescope.backends._kv._engine import Entry, Expected, KvEngine
    from storescope.backends._kv._index import Places
    from storescope.backends._kv._record import Record
    from storescope.reports import BackendReport


class Written(NamedTuple):
    """A record that was written, and its version."""

    record: Record
    version: str


class Writer:
    """Writes the records of one store on an open engine."""

    def __init__(self, engine: KvEngine, places: Places, report: BackendReport) -> None:
        self._engine = engine
        self._places = places
        self._report = report

    async def put(self, key: str, record: Record, *, expected: Expected = ANY) -> str:
        """Write a record of a store without indexes, and return its version: one round trip.

        Raises:
            VersionConflictError: If something else is stored than expected.
        """
        return await self._put(key, record, [], expected)

    @overload
    async def change(
        self, key: str, decide: Callable[[Entry | None], Record], *, expected: Expected = ANY
    ) -> Written: ...

    @overload
    async def change(
        self, key: str, decide: Callable[[Entry | None], Record | None], *, expected: Expected = ANY
    ) -> Written | None: ...

    async def change(
        self, key: str, decide: Callable[[Entry | None], Record | None], *, expected: Expected = ANY
    ) -> Written | None:
        """Write what `decide` makes of the record, again and again until nobody else came in between.

        Args:
            key: The record's key.
            decide: Given what is stored, returns what to write; None to leave it as it is.
            expected: What must be stored.

        Returns:
            What was written, or None.

        Raises:
            VersionConflictError: If something else is stored than expected, or others always came in between.
            IndexConflictError: If a unique index has another record with one of its texts.
        """
        place = self._places.record(key)
        for pause in pauses():
            entry = await self._engine.get(place)
            if expected is not ANY and expected != (ABSENT if entry is None else entry.version):
                raise conflict()
            record = decide(entry)
            if record is None:
                return None
            with suppress(VersionConflictError):
                return Written(record, await self._swap(key, entry, record))
            self._report.add("update_conflicts")
            await asyncio.sleep(pause)
        raise VersionConflictError("others kept changing the record that was to be updated", retryable=True)

    async def remove(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete a record, then its index entries, and return whether there was one."""
        place = self._places.record(key)
        for pause in pauses():
            (entry,) = await self._engine.get_many([place], max_bytes=0)
            if entry is None:
                return False
            if expected not in {ANY, entry.version}:
                raise conflict()
            entries = await self._versions(key, read_beside(entry)[0])
            with suppress(VersionConflictError):
                gone = await self._engine.delete(place, expected=entry.version)
                await self._take_away(entries)
                return gone
            self._report.add("update_conflicts")
            await asyncio.sleep(pause)
        raise VersionConflictError("others kept changing the record that was to be deleted", retryable=True)

    async def _swap(self, key: str, entry: Entry | None, record: Record) -> str:
        had = read_beside(entry)[0] if entry else []
        tails = await self.tails(record.starts, had)
        old = await self._versions(key, set(had) - set(tails))
        new = [tail for tail in tails if tail not in had]
        new.sort(key=is_unique, reverse=True)  # first what may be refused
        for tail in new:
            await self.claim(key, tail)
        version = await self._put(key, record, tails, entry.version if entry else ABSENT)
        if new:
            await self._confirm(key, new, entry, version)
        await self._take_away(old)
        return version

    async def _put(self, key: str, record: Record, tails: list[str], expected: Expected) -> str:
        place, metadata = self._places.record(key), beside(tails, record.metadata)
        return await self._engine.put(place, record.value, metadata=metadata, expected=expected)

    async def tails(self, starts: Iterable[str], had: Iterable[str]) -> list[str]:
        """Return the tails of a record's entries: in an order of insertion, the one that it had, or a new one."""
        tails: list[str] = []
        for start in starts:
            kept = next((tail for tail in had if tail.startswith(start)), None)
            if not self._places.is_numbered(start):
                tails.append(self._places.tail(start, None))
            else:
                tails.append(kept or self._places.tail(start, await self._engine.next_number()))
        return tails

    async def claim(self, key: str, tail: str) -> None:
        """Make an index entry.

        Raises:
            VersionConflictError: If another writer came in between.
            IndexConflictError: If it is another record's, by a unique index.
        """
        place = self._places.entry(tail, key)
        if not is_unique(tail):
            await self._engine.put(place, b"")  # even over one that is there: its version protects it from removal
            return
        entry = await self._engine.get(place)
        if entry is None:
            await self._engine.put(place, key.encode(), expected=ABSENT)
        else:
            await self._take_over(key, tail, entry)

    async def _take_over(self, key: str, tail: str, entry: Entry) -> None:
        """Take an entry from records that do not have it; and give it back if one turns out to.

        It says from whom it was taken, so that who takes it next, before it is given back, asks them too.
        """
        place = self._places.entry(tail, key)
        others = [claimant for claimant in claimants(entry) if claimant != key]
        if await self.holder(others, tail) is None:
            taken_from = "\0".join(others).encode()  # a key holds no NUL
            version = await self._engine.put(place, key.encode(), metadata=taken_from, expected=entry.version)
            if await self.holder(others, tail) is None:  # nor was one written before it could see this
                return
            with suppress(VersionConflictError):  # it has taken it back
                await self._engine.put(place, entry.value, metadata=entry.metadata, expected=version)
        raise IndexConflictError(index_name(tail))

    async def holder(self, keys: Sequence[str], tail: str) -> str | None:
        """Return the first of some records that has an index entry by its own account; None if none has."""
        places = [self._places.record(key) for key in keys]
        entries = await self._engine.get_many(places, max_bytes=0) if places else []
        for key, entry in zip(keys, entries, strict=True):
            if entry is not None and tail in read_beside(entry)[0]:
                return key
        return None

    async def _confirm(self, key: str, tails: list[str], before: Entry | None, version: str) -> None:
        """Look whether the new entries are still there, now that the record is.

        `reindex` may have taken one for an orphan, and another writer one of a unique index. They look at the
        record after that, and this looks at the entries after the record is written: one sees the other.
        """
        try:
            found = await self._engine.get_many(
                [self._places.entry(tail, key) for tail in tails], max_bytes=NO_LIMIT
            )
            for tail, entry in zip(tails, found, strict=True):
                if entry is None or (is_unique(tail) and entry.value != key.encode()):
                    await self._claim_again(key, tail, before, version)
        except BackendError as error:
            raise _applied(error) from None

    async def _claim_again(self, key: str, tail: str, before: Entry | None, version: str) -> None:
        with suppress(IndexConflictError):
            for pause in pauses():
                with suppress(VersionConflictError):
                    await self.claim(key, tail)
                    return
                await asyncio.sleep(pause)
        await self._undo(self._places.record(key), before, version)
        raise IndexConflictError(index_name(tail))

    async def _undo(self, place: str, before: Entry | None, version: str) -> None:
        with suppress(VersionConflictError):  # somebody has written over it since
            if before is None:
                await self._engine.delete(place, expected=version)
            else:
                await self._engine.put(place, before.value, metadata=before.metadata, expected=version)

    async def _versions(self, key: str, tails: Iterable[str]) -> dict[str, Entry]:
        """Return the record's own entries, by their places: one of a unique index may be another's by now."""
        places = [self._places.entry(tail, key) for tail in tails]
        if not places:
            return {}
        found = await self._engine.get_many(places, max_bytes=NO_LIMIT)
        own = {b"", key.encode()}
        return {place: entry for place, entry in zip(places, found, strict=True) if entry and entry.value in own}

    async def _take_away(self, entries: dict[str, Entry]) -> None:
        """Delete old entries. The record is written: what fails here leaves entries too many, and is no error."""
        for place, entry in entries.items():
            with suppress(BackendError, VersionConflictError):
                await self._engine.delete(place, expected=entry.version)


def _applied(error: BackendError) -> BackendError:
    """Return the same error, of a call that has written by now."""
    if error.maybe_applied:
        return error
    return BackendError(str(error), driver_error=error.driver_error, retryable=error.retryable, maybe_applied=True)
