"""A store of the KV layer: records under a prefix, and the indexes that find them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic

from storescope import InvalidRecordError
from storescope.backends._codec import decode, encode
from storescope.backends._kv._engine import ABSENT, ANY, Condition
from storescope.backends._kv._index import Places, check_part
from storescope.backends._kv._read import MetadataT, Reader, ValueT
from storescope.backends._kv._record import Record, read_beside
from storescope.backends._kv._reindex import Reindexer
from storescope.backends._kv._write import Writer, Written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from storescope.backends._kv._connection import Connection
    from storescope.backends._kv._engine import Entry, KvEngine
    from storescope.backends._kv._index import Index
    from storescope.backends._kv._read import KvEntry, KvPage
    from storescope.backends._kv._reindex import Reindexed

_PAGE = 100


class Store(Generic[ValueT, MetadataT]):
    """Records by key. `KV.store` makes one; annotate it with what it holds: `messages: Store[Message, None]`.

    Keys are text without NUL and lone surrogates; key and prefixes together are at most 1,024 bytes of UTF-8. A
    value is anything that JSON has, and comes back equal. Everything raises `BackendError` if the store below
    fails; its `maybe_applied` says whether a write may have been applied all the same.
    """

    def __init__(self, connection: Connection, prefix: str, indexes: Mapping[str, Index]) -> None:
        self._connection = connection
        self._prefix = prefix
        self._places = Places(prefix, indexes)

    def store(self, prefix: str, *, indexes: Mapping[str, Index] | None = None) -> Store[Any, Any]:
        """Return a store inside of this one: its keys begin with both prefixes.

        Args:
            prefix: `message/` for example. What this one lists holds what the other does, so give it no keys that
                begin like it.
            indexes: Names of indexes, and what they find records by.

        Raises:
            BackendError: If the prefix or a name is no text, or has control characters.
        """
        check_part(prefix, "a prefix")
        return Store(self._connection, self._prefix + prefix, dict(indexes or {}))

    async def get(self, key: str) -> KvEntry[ValueT, MetadataT] | None:
        """Return a record with its version and metadata, or None.

        Args:
            key: Its key.
        """
        return await self._reader(await self._engine()).get(key)

    async def get_value(self, key: str) -> ValueT | None:
        """Return a record's value, or None.

        Args:
            key: Its key.
        """
        value: ValueT | None = await self._reader(await self._engine()).get_value(key)
        return value

    async def set(
        self,
        key: str,
        value: ValueT,
        *,
        expected_version: str | Condition | None = ANY,
        metadata: MetadataT | None = None,
    ) -> str:
        """Insert a record, or replace it whole.

        Args:
            key: Its key.
            value: The value.
            expected_version: Write only if the record has this version still; None: only if there is none. Without
                it, whatever is there.
            metadata: Anything that JSON has, kept beside the value: lists show it without loading the value.

        Returns:
            The record's new version. No other write of this key has it, before or after.

        Raises:
            VersionConflictError: If the record has another version than expected. Nothing was written.
            IndexConflictError: If a unique index has another record like it. Nothing was written.
            InvalidRecordError: If JSON cannot hold the value, or the store the key.
            RecordTooLargeError: If the store cannot hold it. Nothing was written.
        """
        record = Record(encode(value), self._places.starts(value), metadata)
        expected = ABSENT if expected_version is None else expected_version
        engine = await self._engine()
        writer = self._writer(engine)
        if not self._places.indexes and not engine.packs:
            return await writer.put(key, record, expected=expected)
        written: Written = await writer.change(key, lambda _: record, expected=expected)
        return written.version

    async def update(self, key: str, change: Callable[[ValueT], ValueT]) -> ValueT | None:
        """Replace a record by what `change` makes of it, atomically: no write of anybody else is lost.

        If somebody else writes in between, `change` is called again with what they wrote. The metadata stay.

        Args:
            key: Its key.
            change: Given the value, returns the new one. A plain function, which may be called several times.

        Returns:
            The new value; None if there is no such record, and then `change` was not called.

        Raises:
            VersionConflictError: If others came in between 64 times in a row. It is `retryable`.
            IndexConflictError: If a unique index has another record like it. Nothing was written.
            InvalidRecordError: If JSON cannot hold the new value.
            RecordTooLargeError: If the store cannot hold it. Nothing was written.
        """
        if inspect.iscoroutinefunction(change):
            raise InvalidRecordError(
                "update wants a plain function: it may be called several times, and awaits nothing"
            )

        def decide(entry: Entry | None) -> Record | None:
            if entry is None:
                return None
            value = change(decode(entry.value))
            return Record(encode(value), self._places.starts(value), read_beside(entry)[1])

        written = await self._writer(await self._engine()).change(key, decide)
        value: ValueT | None = None if written is None else decode(written.record.value)
        return value

    async def delete(self, key: str, *, expected_version: str | Condition = ANY) -> bool:
        """Delete a record and its index entries.

        Args:
            key: Its key.
            expected_version: Delete only if the record has this version still.

        Returns:
            Whether there was one.

        Raises:
            VersionConflictError: If the record has another version than expected. Nothing was deleted.
        """
        return await self._writer(await self._engine()).remove(key, expected=expected_version)

    async def page(
        self, *, prefix: str = "", cursor: str | None = None, limit: int = _PAGE, **by: str
    ) -> KvPage[ValueT, MetadataT]:
        """Return some of what `entries` goes through.

        Args:
            prefix: What the keys begin with; not with an index.
            cursor: None for the first page, then the one that the page before came with.
            limit: How many records a page has, at most.
            **by: The name of one index, and what it finds: `by_session_id="s1"`.

        Raises:
            UnsupportedOperationError: If there is no such index.
            InvalidRecordError: If the limit or the cursor is none, or two ways to find are given at once.
        """
        if type(limit) is not int or not 1 <= limit <= _MOST:
            raise InvalidRecordError(f"limit must be 1 to {_MOST}")
        if not (cursor is None or isinstance(cursor, str)):
            raise InvalidRecordError("the cursor must be None, or what the page before came with")
        reader = self._reader(await self._engine())
        if not by:
            return await reader.page(prefix, cursor, limit)
        return await reader.page_of_index(*_one_way(prefix, by), cursor, limit)

    async def entries(
        self, *, prefix: str = "", **by: str
    ) -> AsyncIterator[tuple[str, KvEntry[ValueT, MetadataT]]]:
        """Go through keys and entries in order: of the key, or as the index says.

        A record that is there from beginning to end is found once, whatever is written meanwhile.

        Args:
            prefix: What the keys begin with; not with an index.
            **by: The name of one index, and what it finds: `by_session_id="s1"`.

        Raises:
            UnsupportedOperationError: If there is no such index.
            InvalidRecordError: If two ways to find are given at once.
        """
        reader = self._reader(await self._engine())
        way = _one_way(prefix, by) if by else None
        async for page in reader.pages_of_index(*way, _MOST) if way else reader.pages(prefix, _MOST):
            for entry in page.entries:
                yield entry.key, entry

    async def keys(self, *, prefix: str = "") -> AsyncIterator[str]:
        """Go through the keys in order, without loading anything else.

        Args:
            prefix: What they begin with.
        """
        reader = self._reader(await self._engine())
        after: str | None = None
        while True:
            page = await reader.keys(prefix, after, _MOST)
            for listed in page.keys:
                after = self._places.key(listed.key)
                yield after
            if page.after is None:
                return

    async def reindex(self) -> Reindexed:
        """Make index entries that are missing, and take away those that lead nowhere. The store may be in use.

        For a store that was given an index after its records; and from time to time, as a process that is killed
        while it writes leaves entries behind that readers have to see through.

        Returns:
            How many records there are, what was added and removed, and which records a unique index leaves out.
        """
        engine = await self._engine()
        return await Reindexer(engine, self._places, self._writer(engine)).run()

    def __repr__(self) -> str:
        return f"<Store {self._prefix!r}>"

    async def _engine(self) -> KvEngine:
        return await self._connection.engine()

    def _reader(self, engine: KvEngine) -> Reader:
        return Reader(engine, self._places)

    def _writer(self, engine: KvEngine) -> Writer:
        return Writer(engine, self._places, self._connection.report)


def _one_way(prefix: str, by: dict[str, str]) -> tuple[str, str]:
    """Return the one index to find records by, and the text."""
    if prefix or len(by) > 1:
        raise InvalidRecordError("records are found by a prefix or by one index, not by several at once")
    (way,) = by.items()
    return way


_MOST = 500
