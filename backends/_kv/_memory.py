"""`memory:`, for tests: a dict, and its keys in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendError, BackendInfo
from storescope.backends._kv._engine import (
    ABSENT,
    ANY,
    Entry,
    Listed,
    Page,
    conflict,
    new_version,
    page_of,
    range_end,
)
from storescope.backends._memory import MemoryMarker, MemoryOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._kv._engine import Expected
    from storescope.backends._options import Target
    from storescope.reports import BackendReport


class MemoryKv:
    """Entries that live as long as their engine. Nothing awaits inside, and a lock keeps threads apart."""

    Options: ClassVar = MemoryOptions
    packs = False  # a list is one request, or two

    def __init__(self) -> None:
        self.info = BackendInfo(system="memory", keeps_labels=True)
        self.marker = MemoryMarker()
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []  # in order
        self._numbers = count(1)

    @classmethod
    async def open(cls, target: Target, options: MemoryOptions, report: BackendReport) -> Self:  # noqa: ARG003 (it needs neither)
        """Make an empty store.

        Raises:
            BackendError: If the URL names anything.
        """
        if target.rest:
            raise BackendError("memory: takes no path; each one that is opened is a store of its own")
        return cls()

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        return self._entries.get(key)

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each key, without values that are larger than `max_bytes`."""
        with self._lock:
            found = [self._entries.get(key) for key in keys]
        return [e._replace(value=b"", whole=False) if e and len(e.value) > max_bytes else e for e in found]

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        with self._lock:
            old = self._entries.get(key)
            if expected is not ANY and expected != (ABSENT if old is None else old.version):
                raise conflict()
            if old is None:
                insort(self._keys, key)
            entry = self._entries[key] = Entry(value, new_version(), metadata)
        return entry.version

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something."""
        with self._lock:
            old = self._entries.get(key)
            if old is None:
                return False
            if expected not in {ANY, old.version}:
                raise conflict()
            del self._entries[key]
            del self._keys[bisect_left(self._keys, key)]
        return True

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order."""
        end = range_end(prefix)
        with self._lock:
            first = max(bisect_left(self._keys, prefix), 0 if after is None else bisect_right(self._keys, after))
            last = len(self._keys) if end is None else bisect_left(self._keys, end)
            keys = self._keys[first : min(last, first + limit)]
            return page_of([Listed(key, self._entries[key].version) for key in keys], limit)

    async def next_number(self) -> int:
        """Return a number above all that this gave before."""
        return next(self._numbers)

    async def aclose(self) -> None:
        """Do nothing: the entries go when the engine does."""
