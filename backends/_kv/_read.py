"""How records are found and read. A value that is large is loaded when somebody wants it, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from storescope import VersionConflictError
from storescope.backends._codec import decode
from storescope.backends._kv._engine import check_key
from storescope.backends._kv._record import read_beside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Sequence

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

    async def page(self, prefix: str, after: str | None, limit: int) -> KvPage[Any, Any]:
        """Return a page of the records whose keys begin with `prefix`, in order of key."""
        page = await self.keys(prefix, after, limit)
        keys = [self._places.key(listed.key) for listed in page.keys]
        found = [entry for entry in await self._entries(keys) if entry]
        return KvPage(found, keys[-1] if page.after is not None else None)

    async def page_of_index(self, name: str, text: Any, after: str | None, limit: int) -> KvPage[Any, Any]:
        """Return a page of the records that an index finds, in its order."""
        start = self._places.start(name, text)
        if self._places.index(name).unique:
            return KvPage(await self._owner(start), None)
        page = await self._engine.list(
            start, after=None if after is None else check_key(start + after), limit=limit
        )
        places = [listed.key for listed in page.keys]
        split = [self._places.split(place) for place in places]
        found = await self._entries([key for _, key in split], [tail for tail, _ in split])
        return KvPage([e for e in found if e], places[-1][len(start) :] if page.after is not None else None)

    async def _owner(self, start: str) -> list[KvEntry[Any, Any]]:
        entry = await self._engine.get(start)
        if entry is None:
            return []
        tail = start[len(self._places.entries) :]
        return [found for found in await self._entries([entry.value.decode()], [tail]) if found]

    async def _entries(
        self, keys: Sequence[str], tails: Sequence[str] | None = None
    ) -> list[KvEntry[Any, Any] | None]:
        """Return the records of some keys; with tails, only those that have that entry themselves."""
        places = [self._places.record(key) for key in keys]
        found = await self._engine.get_many(places, max_bytes=self._inline) if places else []
        return [
            KvEntry(self._engine, key, place, entry)
            if entry and (tails is None or tails[number] in read_beside(entry)[0])
            else None
            for number, (key, place, entry) in enumerate(zip(keys, places, found, strict=True))
        ]
