"""The index entries of a record that is written or goes: those that are renewed for packs, or taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope import BackendError, VersionConflictError
from storescope.backends._kv._engine import NO_LIMIT, all_keys
from storescope.backends._kv._index import numbered_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.backends._kv._engine import KvEngine
    from storescope.backends._kv._index import Places


class Entries:
    """The index entries of one store's records."""

    def __init__(self, engine: KvEngine, places: Places) -> None:
        self._engine = engine
        self._places = places

    def packed(self, tails: Iterable[str]) -> list[str]:
        """Return the tails of the entries whose records may be in a pack; none if the engine has no packs."""
        return [tail for tail in tails if numbered_start(tail)] if self._engine.packs else []

    async def renew(self, key: str, tails: Iterable[str]) -> dict[str, str]:
        """Give a record's entries new versions, which no pack knows, and return these by tail."""
        return {tail: await self._engine.put(self._places.entry(tail, key), b"") for tail in tails}

    async def leave(self, key: str, tails: Iterable[str]) -> dict[str, str]:
        """Make ready for a record to leave its entries, and return their versions by place.

        Those that packs go by are renewed, and the packs deleted.
        """
        packed = self.packed(tails)
        versions = await self._versions(key, set(tails).difference(packed))
        renewed = await self.renew(key, packed)
        for start in {numbered_start(tail) or "" for tail in packed}:
            await self.drop_packs(start)
        return versions | {self._places.entry(tail, key): version for tail, version in renewed.items()}

    async def take_away(self, versions: dict[str, str]) -> bool:
        """Delete the entries that a record has left, and return whether none had got another version.

        The record is written: what fails here leaves entries too many, and is no error.
        """
        unchanged = True
        for place, version in versions.items():
            try:
                await self._engine.delete(place, expected=version)
            except VersionConflictError:
                unchanged = False
            except BackendError:
                continue
        return unchanged

    async def drop_packs(self, start: str = "") -> None:
        """Delete the packs of the entries whose tails begin so: one request, and two for each pack."""
        async for listed in all_keys(self._engine, self._places.packs + start):
            await self._engine.delete(listed.key)

    async def _versions(self, key: str, tails: Iterable[str]) -> dict[str, str]:
        """Return the versions of the record's own entries, by place; one of a unique index may be another's."""
        places = [self._places.entry(tail, key) for tail in tails]
        if not places:
            return {}
        found = await self._engine.get_many(places, max_bytes=NO_LIMIT)
        own = {b"", key.encode()}
        pairs = zip(places, found, strict=True)
        return {place: entry.version for place, entry in pairs if entry and entry.value in own}
