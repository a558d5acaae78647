"""Which session a message or part belongs to: claimed once, by whoever writes it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.errors import BackendError, VersionConflictError
from storescope.middleware._region._pins._store import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.middleware._region._pins._identity import Identity
    from storescope.middleware._region._pins._lease import Lease
    from storescope.middleware._region._pins._pin import PinKey
    from storescope.middleware._region._pins._store import Store

_MOST_REMEMBERED = 1_000_000  # claims, of about 200 bytes


class Claims:
    """Reads and makes claims, and remembers those of the sessions on which this process has a lease.

    What is remembered is right for as long as the lease lasts: a claim goes to another session only behind a fence
    around the old one.
    """

    def __init__(self, engine: Store, identity: Identity) -> None:
        self._engine = engine
        self._identity = identity
        self._lease_of: dict[PinKey, Lease] = {}

    def lease_of(self, key: PinKey) -> Lease | None:
        """Return the good lease on the session that is known to have the message or part."""
        lease = self._lease_of.get(key)
        return lease if lease is not None and lease.is_good else None

    def last(self, key: PinKey) -> PinKey | None:
        """Return the session that was last known to have the message or part; None if none was."""
        lease = self._lease_of.get(key)
        return lease.key if lease is not None else None

    def remember(self, key: PinKey, lease: Lease) -> None:
        """Note what was claimed or read while the lease was good."""
        if len(self._lease_of) >= _MOST_REMEMBERED:
            self._lease_of.clear()
        self._lease_of[key] = lease

    async def read(self, key: PinKey) -> str | None:
        """Return the session that has the message or part; None if it was never claimed."""
        entry = await self._engine.get(key.claim)
        if entry is None:
            await self._identity.make_sure()  # else it may have been claimed all the same
        return entry.value.decode() if entry else None

    async def claim(self, key: PinKey, session: str) -> str:
        """Claim a message or part for a session, and return the one that has it: this, or who was first."""
        try:
            await self._engine.put(key.claim, session.encode(), expected=ABSENT)
        except VersionConflictError:
            return await self.read(key) or session
        return session

    async def move(self, key: PinKey, old: str, new: str, make_sure: Callable[[], None]) -> None:
        """Give it to another session, or anew to the same; do nothing if it is not the old one's any more.

        The caller has the old one for itself. Who takes over from him writes the claim anew: what he sent before
        then comes too late.

        Args:
            key: The message or part.
            old: The session that has it.
            new: The session that it goes to.
            make_sure: Raises if somebody can have taken over.

        Raises:
            BackendError: If the claim changed meanwhile, or the registry cannot be reached.
        """
        entry = await self._engine.get(key.claim)
        make_sure()
        if entry is None or entry.value.decode() != old:
            return
        try:
            await self._engine.put(key.claim, new.encode(), expected=entry.version)
        except VersionConflictError:
            raise BackendError("the claim changed meanwhile; try again", retryable=True) from None
