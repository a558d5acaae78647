"""The leases of this process: taken once, used by many calls, given back when asked for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from storescope.errors import StorageError, VersionConflictError
from storescope.middleware._log import tell_seldom
from storescope.middleware._region._pins._identity import RegistryLostError
from storescope.middleware._region._pins._lease import Lease, SessionBusyError
from storescope.middleware._region._pins._pin import Pin, PinKey
from storescope.middleware._region._pins._presence import Presence
from storescope.middleware._region._pins._store import ABSENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.middleware._region._pins._identity import Identity
    from storescope.middleware._region._pins._store import Store
    from storescope.middleware._region._pins._timing import Timing
    from storescope.middleware._region._pins._watch import Watch

_POLLS = 50  # looks at a fenced pin in the time that a call waits for it
_SWEPT = 256  # idle leases given back after one renewal
_MANY_HOLDERS = 8  # on one pin, before some of them are looked at
_LOOKED_AT = 4


class Leases:
    """One table of leases for each registry that a process has open."""

    def __init__(self, engine: Store, identity: Identity, timing: Timing, watch: Watch) -> None:
        self._engine = engine
        self._identity = identity
        self._watch = watch
        self._timing = timing
        self._held: dict[PinKey, Lease] = {}
        self._locks: WeakValueDictionary[PinKey, asyncio.Lock] = WeakValueDictionary()  # gone when unused
        self._returns: set[asyncio.Task[None]] = set()
        self.presence = Presence(engine, identity, timing, self._after_renewal)

    def good(self, key: PinKey) -> Lease | None:
        """Return the lease on `key` if there is one, and a call may begin under it now."""
        lease = self._held.get(key)
        return lease if lease is not None and lease.is_good else None

    def last(self, key: PinKey) -> Lease | None:
        """Return the last lease on `key`, however long ago it ended; None if it was given back."""
        return self._held.get(key)

    async def take(
        self,
        key: PinKey,
        propose: Callable[[Pin | None], Awaitable[Pin | None]],
        end_fence: Callable[[PinKey, Pin], Awaitable[None]],
    ) -> Lease | None:
        """Return a good lease; take one if there is none.

        Args:
            key: What on.
            propose: Given the pin as it is before it is written, or None if there is none: returns the pin to
                write, without us as a holder, or None to leave things as they are; it may raise. If the pin
                changes meanwhile, it is asked again.
            end_fence: Asked to end the fence of a pin if who made it is gone.

        Returns:
            The lease; None if there is no pin and none was proposed.

        Raises:
            SessionBusyError: If the pin stays fenced, or calls under the last lease under way, for too long.
            BackendError: If the registry cannot be reached.
        """
        deadline = self._timing.clock() + self._timing.wait
        while True:
            async with self._lock(key):
                lease = self.good(key)
                if lease is not None:
                    return lease
                await self._end_last(key)
                entry = await self._engine.get(key.pin)
                pin = Pin.from_bytes(entry.value) if entry else None
                wanted = await propose(pin)
                if wanted is None:
                    await self._identity.make_sure()  # else it may have been pinned all the same
                    return None
                if wanted.fence is None:
                    lease = await self._take(key, wanted, entry.version if entry else ABSENT)
                    if lease is not None:
                        return lease
                    continue
            if self._timing.clock() >= deadline:
                raise SessionBusyError
            await end_fence(key, wanted)
            await asyncio.sleep(self._timing.wait / _POLLS)

    async def give_back(self, key: PinKey) -> None:
        """Let the calls under a lease end, and give it back; do nothing if it was given back before.

        Raises:
            BackendError: If the registry cannot be reached. The lease is of no use any more all the same.
        """
        lease = self._held.get(key)
        if lease is not None:
            await lease.end()
        async with self._lock(key):
            if lease is not None and self._held.get(key) is lease:
                del self._held[key]
            if key not in self._held:
                await self._strike_out(key)

    async def aclose(self) -> None:
        """Give everything back, and leave the registry."""
        for task in self._returns:
            task.cancel()
        await asyncio.gather(*self._returns, *map(self.give_back, list(self._held)), return_exceptions=True)
        await self.presence.leave()

    async def _end_last(self, key: PinKey) -> None:
        """End the lease that the next one replaces: it may be good again as soon as its term is renewed.

        Nobody would ask for it back then, nor wait for the calls that are made under it.

        Raises:
            SessionBusyError: If these take too long.
        """
        last = self._held.get(key)
        if last is None:
            return
        try:
            async with asyncio.timeout(self._timing.wait):
                await last.end()
        except TimeoutError:
            raise SessionBusyError("calls under a lease that ended are still under way") from None

    async def _take(self, key: PinKey, pin: Pin, version: Any) -> Lease | None:
        """Write us into the pin as a holder; None if somebody else was quicker."""
        term = await self.presence.join()
        pin = (await self._without_ghosts(pin)).held_by(term.holder)
        try:
            written = await self._engine.put(key.pin, pin.to_bytes(), expected=version)
        except VersionConflictError:
            return None
        if version is ABSENT:
            await self._make_sure(key, written)
        lease = Lease(key, pin, term, self._timing.clock)
        if not lease.is_good:  # we were taken for dead meanwhile
            return None
        self._held[key] = lease
        return lease

    async def _make_sure(self, key: PinKey, written: str) -> None:
        """Make sure that a new pin was written where there was none, and not where all had been lost."""
        try:
            await self._identity.make_sure()
        except RegistryLostError:
            with suppress(VersionConflictError):
                await self._engine.delete(key.pin, expected=written)
            raise

    async def _without_ghosts(self, pin: Pin) -> Pin:
        """Look at some of a pin's many holders, and leave out those that are gone: few processes say good-bye."""
        if len(pin.holders) <= _MANY_HOLDERS:
            return pin
        looked_at, rest = pin.holders[:_LOOKED_AT], pin.holders[_LOOKED_AT:]
        alive = [holder for holder in looked_at if not await self._watch.is_gone(holder)]
        return replace(pin, holders=(*rest, *alive))  # the others have their turn next time

    async def _strike_out(self, key: PinKey) -> None:
        """Take our name off a pin, whether or not we knew that it stood there."""
        term = self.presence.term
        while term is not None:
            entry = await self._engine.get(key.pin)
            pin = Pin.from_bytes(entry.value) if entry else None
            if entry is None or pin is None or term.holder not in pin.holders:
                break
            try:
                await self._engine.put(key.pin, pin.without(term.holder).to_bytes(), expected=entry.version)
                break
            except VersionConflictError:
                continue
        if term is not None:
            await self._engine.delete(key.recall(term.holder))

    async def _after_renewal(self, asked_back: list[PinKey]) -> None:
        """Begin to give back what others ask for, and what is not used any more."""
        unused = self._timing.clock() - self._timing.idle
        idle = [key for key, lease in self._held.items() if lease.is_idle and lease.used < unused]
        for key in dict.fromkeys((*asked_back, *idle[:_SWEPT])):
            task = asyncio.create_task(self._give_back(key), name="storescope-lease")
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)

    async def _give_back(self, key: PinKey) -> None:
        try:
            await self.give_back(key)
        except StorageError as error:  # it is asked for again after the next renewal, or ends with the term
            tell_seldom("warning", "storescope.pins_unreachable", error_type=type(error).__qualname__)

    def _lock(self, key: PinKey) -> asyncio.Lock:
        """Return what keeps taking and giving back of one pin apart, so that they reach the registry in order."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
