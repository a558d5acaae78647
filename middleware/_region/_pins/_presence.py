"""A process as the registry knows it: one record, renewed in the background, keeps all its leases alive.

After a renewal the holder relies on its leases for less time than others wait, each by its own clock: so clocks
need not agree, only run at about the same rate.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import TYPE_CHECKING

from storescope.errors import StorageError, VersionConflictError
from storescope.middleware._log import tell_seldom
from storescope.middleware._region._pins._lease import Term
from storescope.middleware._region._pins._pin import HOLDERS, RECALLS, PinKey, recalled
from storescope.middleware._region._pins._store import ABSENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.middleware._region._pins._identity import Identity
    from storescope.middleware._region._pins._store import Store
    from storescope.middleware._region._pins._timing import Timing

_PAGE = 1_000  # recalls read at once


class Presence:
    """Joins the registry at the first call, and keeps what it holds alive.

    Attributes:
        term: The time in which the process is known under one name; None before it has joined.
    """

    def __init__(
        self,
        engine: Store,
        identity: Identity,
        timing: Timing,
        beat: Callable[[list[PinKey]], Awaitable[None]],
    ) -> None:
        """Make it.

        Args:
            engine: Where the registry is kept.
            identity: Which one it is.
            timing: How long leases last.
            beat: Called after each renewal with the leases that others ask back.
        """
        self.term: Term | None = None
        self._engine = engine
        self._identity = identity
        self._timing = timing
        self._beat = beat
        self._joining = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._written = b""

    async def join(self) -> Term:
        """Return the term that is running, or begin a new one.

        Raises:
            RegistryLostError: If a new one would begin in another registry than the one before.
            BackendError: If the registry cannot be reached.
        """
        async with self._joining:
            term = self.term
            if term is None or self._timing.clock() >= term.until:
                term = self.term = await self._begin()
            if self._task is None:
                self._task = asyncio.create_task(self._renew(), name="storescope-pins")
            return term

    def is_known_as(self, holder: str) -> bool:
        """Return whether this process has that name, and nobody can have taken it for dead yet."""
        term = self.term
        return term is not None and term.holder == holder and self._timing.clock() < term.until

    async def leave(self) -> None:
        """End the term; the leases must have been given back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        term, self.term = self.term, None
        if term is not None:
            await self._engine.delete(HOLDERS + term.holder)

    async def _begin(self) -> Term:
        await self._identity.make_sure()
        holder, asked = token_hex(16), self._timing.clock()
        version = await self._engine.put(HOLDERS + holder, self._token(), expected=ABSENT)
        return Term(holder, version, asked + self._timing.relied_on)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._timing.between_beats)
            try:
                await self._renew_once()
            except StorageError as error:  # the leases end by themselves, unless a later renewal succeeds
                tell_seldom("warning", "storescope.pins_unreachable", error_type=type(error).__qualname__)

    async def _renew_once(self) -> None:
        term = self.term
        if term is None:
            return
        asked = self._timing.clock()
        try:
            term.version = await self._engine.put(HOLDERS + term.holder, self._token(), expected=term.version)
        except VersionConflictError:
            if not await self._is_ours(term):
                term.until, self.term = asked, None  # somebody waited long enough, and took us for dead
                return
        else:
            term.until = max(term.until, asked + self._timing.relied_on)
        await self._beat(await self._asked_back(term))

    async def _is_ours(self, term: Term) -> bool:
        """Return whether a renewal whose answer was lost has been applied: the next one then relies on it."""
        entry = await self._engine.get(HOLDERS + term.holder)
        if entry is None or entry.value != self._before:
            return False
        term.version = entry.version
        return True

    async def _asked_back(self, term: Term) -> list[PinKey]:
        page = await self._engine.list(f"{RECALLS}{term.holder}/", limit=_PAGE)
        return [recalled(listed.key) for listed in page.keys]

    def _token(self) -> bytes:
        """Return a value that nobody wrote before."""
        self._before, self._written = self._written, token_hex(8).encode()
        return self._written
