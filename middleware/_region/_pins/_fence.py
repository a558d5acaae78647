"""Having a pin to oneself: no lease is given any more, and those that were given have ended."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from storescope.errors import VersionConflictError
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._pin import Fence, Pin

if TYPE_CHECKING:
    from collections.abc import Generator

    from storescope.middleware._region._pins._pin import PinKey
    from storescope.middleware._region._pins._store import Store
    from storescope.middleware._region._pins._timing import Timing
    from storescope.middleware._region._pins._watch import Watch

_POLLS = 20  # looks at the holders in the time of a lease


class Fenced(NamedTuple):
    """A fenced pin as it was read or written last, and the version that the next write relies on."""

    pin: Pin
    version: str


class Fences:
    """Puts up fences, waits until the leases behind them have ended, and takes them down."""

    def __init__(self, engine: Store, timing: Timing, watch: Watch) -> None:
        self._engine = engine
        self._timing = timing
        self._watch = watch
        self._moving: set[PinKey] = set()

    @contextmanager
    def alone(self, key: PinKey) -> Generator[None]:
        """Be the only task of this process, for a block, that moves what is pinned.

        Raises:
            SessionBusyError: If another one does.
        """
        if key in self._moving:
            raise SessionBusyError("this process is moving the session already")
        self._moving.add(key)
        try:
            yield
        finally:
            self._moving.discard(key)

    async def read(self, key: PinKey) -> Fenced | None:
        """Return the pin, fenced or not."""
        entry = await self._engine.get(key.pin)
        return Fenced(Pin.from_bytes(entry.value), entry.version) if entry else None

    async def put_up(self, key: PinKey, seen: Fenced, fence: Fence) -> Fenced | None:
        """Fence a pin off, or take over the fence that it has; None if somebody else was quicker."""
        return await self.change(key, seen, replace(seen.pin, fence=fence))

    async def change(self, key: PinKey, seen: Fenced, pin: Pin) -> Fenced | None:
        """Write the pin over what was seen; None if it was written meanwhile."""
        try:
            return Fenced(pin, await self._engine.put(key.pin, pin.to_bytes(), expected=seen.version))
        except VersionConflictError:
            return None

    async def drain(self, key: PinKey, fenced: Fenced, *, seconds: float | None = None) -> Fenced:
        """Wait until nobody holds a lease on a fenced pin.

        Args:
            key: What is pinned.
            fenced: The pin.
            seconds: The longest wait; None to wait for as long as it takes, which is about the time of a lease and
                the settling time at most.

        Returns:
            The pin, without holders.

        Raises:
            SessionBusyError: If it takes longer, or somebody took the fence over.
            BackendError: If the registry cannot be reached.
        """
        deadline = None if seconds is None else self._timing.clock() + seconds
        while fenced.pin.holders:
            for holder in fenced.pin.holders:
                if await self._watch.is_gone(holder):
                    fenced = await self.change(key, fenced, fenced.pin.without(holder)) or fenced
                else:
                    await self._engine.put(key.recall(holder), b"")
            if deadline is not None and self._timing.clock() >= deadline:
                raise SessionBusyError("other processes are busy with the session")
            await asyncio.sleep(self._timing.lease / _POLLS)
            fenced = await self._read_own(key, fenced)
        return fenced

    async def _read_own(self, key: PinKey, fenced: Fenced) -> Fenced:
        found = await self.read(key)
        if found is None or found.pin.fence != fenced.pin.fence:
            raise SessionBusyError("another process took the session over")
        return found
