"""A registry in memory that several processes of a test share, and that can be cut off and emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope import BackendError
from storescope.backends._kv._memory import MemoryKv
from storescope.middleware import PinRegistry
from storescope.middleware._region._pins._timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable


class Shared(MemoryKv):
    """Entries that outlive the registries that use them.

    Attributes:
        is_cut_off: Whether nobody reaches it.
        before: Called with the name of each method, and its key, before it is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_cut_off = False
        self.before: Callable[[str, str], None] = lambda *_: None

    def empty(self) -> None:
        """Lose everything."""
        self._entries.clear()
        self._keys.clear()

    async def get(self, key: str) -> Any:
        self._reach("get", key)
        return await super().get(key)

    async def put(self, key: str, value: bytes, **options: Any) -> str:
        self._reach("put", key)
        return await super().put(key, value, **options)

    async def delete(self, key: str, **options: Any) -> bool:
        self._reach("delete", key)
        return await super().delete(key, **options)

    def _reach(self, what: str, key: str) -> None:
        if self.is_cut_off:
            raise BackendError("the registry cannot be reached", retryable=True)
        self.before(what, key)


class Hand:
    """A clock that goes on by a microsecond whenever it is looked at, and else when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


def registry_on(engine: MemoryKv, clock: Hand, *, lease: float = 1000.0) -> PinRegistry:
    """Return one process's registry. Its leases last by `clock`, in seconds; a quick test sees none renewed."""
    return PinRegistry(engine, Timing(lease=lease, settle=lease, clock=clock), None)
