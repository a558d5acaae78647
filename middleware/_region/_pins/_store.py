"""What the registry needs of the KV layer: linearizable writes under a condition, and keys by prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from storescope.backends._kv._engine import ABSENT, ANY

if TYPE_CHECKING:
    from storescope.backends._kv._engine import Entry, Expected, Page

__all__ = ["ABSENT", "Store"]


class Store(Protocol):
    """A `KvEngine`, as far as it is used here."""

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        ...

    async def put(self, key: str, value: bytes, *, expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        ...

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something to delete."""
        ...

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`."""
        ...

    async def aclose(self) -> None:
        """Give back what is held open."""
        ...
