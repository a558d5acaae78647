"""A process's right to touch what is pinned, until it is recalled or the process is no more heard of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storescope.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.middleware._region._pins._pin import Pin, PinKey


class SessionBusyError(BackendError):
    """Somebody else has the session to himself: it is being moved, or one of its messages is."""

    def __init__(self, message: str = "the session is being moved") -> None:
        super().__init__(message, retryable=True)


class Term:
    """The time in which the registry knows a process under one name. All its leases end with it.

    Attributes:
        holder: The name.
        version: Of its record in the registry, as it was last written.
        until: When the leases end, by the process's own clock, unless the record is renewed before.
    """

    __slots__ = ("holder", "until", "version")

    def __init__(self, holder: str, version: str, until: float) -> None:
        self.holder = holder
        self.version = version
        self.until = until


class Lease:
    """One lease. It is used on the event loop that took it, and nothing waits between `is_good` and `enter`.

    Attributes:
        key: What it is on.
        pin: The pin as it was when the lease was taken; nobody changes it while the lease lasts.
        taken: When it was taken, by the process's clock.
        used: When it was last used, by the same.
    """

    __slots__ = ("_calls", "_clock", "_done", "_recalled", "_term", "key", "pin", "taken", "used")

    def __init__(self, key: PinKey, pin: Pin, term: Term, clock: Callable[[], float]) -> None:
        self.key = key
        self.pin = pin
        self.taken = self.used = clock()
        self._term = term
        self._clock = clock
        self._calls = 0
        self._recalled = False
        self._done: asyncio.Event | None = None

    @property
    def is_good(self) -> bool:
        """Whether a call may begin under it, now."""
        return not self._recalled and self._clock() < self._term.until

    def enter(self) -> None:
        """Note that a call begins."""
        self._calls += 1
        self.used = self._clock()

    def leave(self) -> None:
        """Note that a call ended, and all that it sent is done."""
        self._calls -= 1
        if self._done is not None and not self._calls:
            self._done.set()

    def hold_good(self, *, wrote: bool = False) -> None:
        """Make sure that the lease still lasts: right before each contact, and before the call is answered.

        Args:
            wrote: Whether something was written meanwhile, which may be lost.

        Raises:
            BackendError: If it ended: what is read may lie elsewhere by now.
        """
        if self._clock() >= self._term.until:
            raise BackendError(
                "the lease on the session ended while the call was made: the pin registry could not be reached",
                retryable=True,
                maybe_applied=wrote,
            )

    @property
    def is_idle(self) -> bool:
        """Whether no call is made under it."""
        return not self._calls

    async def end(self) -> None:
        """Let no call begin any more, and wait for those that have begun."""
        self._recalled = True
        if self._calls:
            self._done = self._done or asyncio.Event()
            await self._done.wait()
