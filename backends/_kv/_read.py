"""How records are found and read. A value that is large is loaded when somebody wants it, and once."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from storescope import VersionConflictError
from storescope.backends._codec import decode
from storescope.backends._kv._engine import check_key
from storescope.backends._kv._index import start_of
from storescope.backends._kv._pack import Pack, Wanted
from storescope.backends._kv._record import read_beside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Generator, Sequence

    from storescope.backends._kv._engine import Entry, KvEngine, Page
    from storescope.backends._kv._index import Places

ValueT = TypeVar("ValueT")
MetadataT = TypeVar("MetadataT")

INLINE = 65_536
"""Values of up to so many bytes come with what lists them; larger ones are loaded when they are awaited."""


class KvEntry(Generic[ValueT, MetadataT]):
    """A record that was found.

    Attributes:
        key: Its key in the store.
        version: Its version, for `set(..., expected_version=...)`.
        metadata: What was stored beside the value; None for nothing.
    """

    __slots__ = ("_engine", "_entry", "_place", "_value", "key", "metadata", "version")

    def __init__(self, engine: KvEngine, key: str, place: str, entry: Entry) -> None:
        self.key = key
        self.version = entry.version
        self.metadata: MetadataT = read_beside(entry)[1]
        self._engine = engine
        self._place = place
        self._entry = entry
        self._value: _Loaded[ValueT] | None = None

    @property
    def value(self) -> Awaitable[ValueT]:
        """The value, to be awaited: it is loaded then, if it is larger than 64 KiB, and not a second time.

        If the record was changed since it was found, this is the new value, and `version` and `metadata` are the
        new ones too.

        Raises:
            VersionConflictError: When awaited: if it was deleted since.
            BackendError: When awaited: if the store fails.
        """
        return _Value(self)

    async def load(self) -> ValueT:
        """Return the value, as awaiting `value` does."""
        if self._value is None:
            if not self._entry.whole:
                await self._fetch()
            self._value = _Loaded(decode(self._entry.value))
            self._entry = self._entry._replace(value=b"")
        return self._value.value

    async def _fetch(self) -> None:
        entry = await self._engine.get(self._place)
        if entry is None:
            raise VersionConflictError("the record was deleted after it was listed")
        self._entry = entry
        self.version = entry.version
        self.metadata = read_beside(entry)[1]

    def __repr__(self) -> str:
        return f"<KvEntry of version {self.version}>"


class _Loaded(NamedTuple, Generic[ValueT]):
    value: ValueT


class _Value(Generic[ValueT]):
    """Something to await. A coroutine in its place would warn whoever looks at the attribute and does not."""

    __slots__ = ("_entry",)

    def __init__(self, entry: KvEntry[ValueT, Any]) -> None:
        self._entry = entry

    def __await__(self) -> Generator[Any, None, ValueT]:
        return self._entry.load().__await__()


class KvPage(NamedTuple, Generic[ValueT, MetadataT]):
    """A part of what a store holds.

    Attributes:
        entries: Some entries; there may be none in a page that is not the last.
        cursor: What to give to the next `page`; None after the last one. It may hold a key.
    """

    entries: list[KvEntry[ValueT, MetadataT]]
    cursor: str | None


class Reader:
    """Reads the records of one store from an open engine."""

    def __init__(self, engine: KvEngine, places: Places, *, inline: int = INLINE) -> None:
        self._engine = engine
        self._places = places
        self._inline = inline

    async def get(self, key: str) -> KvEntry[Any, Any] | None:
        """Return a record, or None."""
        return (await self._entries([key]))[0]

    async def get_value(self, key: str) -> Any:
        """Return a record's value, or None."""
        entry = await self._engine.get(self._places.record(key))
        return None if entry is None else decode(entry.value)

    async def keys(self, prefix: str, after: str | None, limit: int) -> Page:
        """Return a page of the places of records whose keys begin with `prefix`."""
        start = None if after is None else self._places.record(after)
        return await self._engine.list(self._places.records(prefix), after=start, limit=limit)

    async def pages(self, prefix: str, limit: int) -> AsyncIterator[KvPage[Any, Any]]:
        """Go through all pages of the records whose keys begin with `prefix`."""
        cursor: str | None = None
        while True:
            page = await self.page(prefix, cursor, limit)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    async def page(self, prefix: str, after: str | None, limit: int) -> KvPage[Any, Any]:
        """Return a page of the records whose keys begin with `prefix`, in order of key."""
        page = await self.keys(prefix, after, limit)
        keys = [self._places.key(listed.key) for listed in page.keys]
        found = [entry for entry in await self._entries(keys) if entry]
        return KvPage(found, keys[-1] if page.after is not None else None)

    async def pages_of_index(self, name: str, text: Any, limit: int) -> AsyncIterator[KvPage[Any, Any]]:
        """Go through all pages of the records that an index finds; from packs, where the engine has them."""
        start = start_of(name, text)
        packs = self._engine.packs and self._places.is_numbered(start)
        cursor: str | None = None
        for number in count():
            pack = await Pack.read(self._engine, self._places.pack(start, number)) if packs else None
            page = await self.page_of_index(name, text, cursor, limit, pack)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    async def page_of_index(
        self, name: str, text: Any, after: str | None, limit: int, pack: Pack | None = None
    ) -> KvPage[Any, Any]:
        """Return a page of the records that an index finds, in its order."""
        start = self._places.start(name, text)
        if self._places.index(name).unique:
            return KvPage(await self._owner(start), None)
        page = await self._engine.list(
            start, after=None if after is None else check_key(start + after), limit=limit
        )
        split = [self._places.split(listed.key) for listed in page.keys]
        keys = [key for _, key in split]
        wanted = [
            Wanted(self._places.record(key), tail, listed.version)
            for (tail, key), listed in zip(split, page.keys, strict=True)
        ]
        found = await self._read(wanted, pack)
        entries = [self._entry(key, want, entry) for key, want, entry in zip(keys, wanted, found, strict=True)]
        cursor = page.keys[-1].key[len(start) :] if page.after is not None else None
        return KvPage([entry for entry in entries if entry], cursor)

    async def _read(self, wanted: Sequence[Wanted], pack: Pack | None) -> list[Entry | None]:
        if pack is None:
            return await self._get_many([want.place for want in wanted])
        found = [pack.find(want) for want in wanted]
        missing = [want.place for want, entry in zip(wanted, found, strict=True) if entry is None]
        rest = iter(await self._get_many(missing))
        found = [next(rest) if entry is None else entry for entry in found]
        await pack.renew(wanted, found)
        return found

    async def _owner(self, start: str) -> list[KvEntry[Any, Any]]:
        entry = await self._engine.get(start)
        if entry is None:
            return []
        key = entry.value.decode()
        want = Wanted(self._places.record(key), start[len(self._places.entries) :], entry.version)
        (found,) = await self._get_many([want.place])
        owner = self._entry(key, want, found)
        return [] if owner is None else [owner]

    async def _entries(self, keys: Sequence[str]) -> list[KvEntry[Any, Any] | None]:
        """Return the records of some keys."""
        places = [self._places.record(key) for key in keys]
        found = await self._get_many(places)
        return [
            None if entry is None else KvEntry(self._engine, key, place, entry)
            for key, place, entry in zip(keys, places, found, strict=True)
        ]

    def _entry(self, key: str, want: Wanted, entry: Entry | None) -> KvEntry[Any, Any] | None:
        """Return the record, if it has the index entry that found it by its own account."""
        if entry is None or want.tail not in read_beside(entry)[0]:
            return None
        return KvEntry(self._engine, key, want.place, entry)

    async def _get_many(self, places: Sequence[str]) -> list[Entry | None]:
        return await self._engine.get_many(places, max_bytes=self._inline) if places else []
