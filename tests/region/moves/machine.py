"""A simulated process, and what it reaches over a network that delays, fails and, when it is killed, is cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any

from storescope.errors import BackendError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLE = 2.0  # seconds that a write may be under way
_STALL = 0.8  # of them, seconds that a process may stand still between its look at the lease and the sending


class Peer:
    """What is at the other end.

    Attributes:
        delays: How long, in seconds, a request or an answer may be under way.
        lingers: How many seconds later a request may be applied that timed out.
        away_until: Until when no request reaches it.
        silent_until: Until when none of its answers comes back.
    """

    def __init__(self, *delays: float, lingers: float = 0.0) -> None:
        self.delays = delays
        self.lingers = lingers
        self.away_until = 0.0
        self.silent_until = 0.0


class Machine:
    """One process with a clock of its own.

    Attributes:
        name: As the trace calls it.
        region: Where it runs.
        registry: The registry, as far as this process reaches it.
        is_dead: Whether it was killed: nothing that it awaits comes back, and nothing that it sends is applied.
        frozen_until: Until when it stands still.
        loses_a_copy: Whether a store forgets the next record that it sets.
    """

    def __init__(self, name: str, region: str | None, seed: int, fault_rate: float) -> None:
        self.name = name
        self.region = region
        self.registry = Peer(0.0, 0.001, 0.001, 0.01, 0.01, 0.1, 0.2, lingers=SETTLE)
        self.is_dead = False
        self.frozen_until = 0.0
        self.loses_a_copy = False
        self._chance = Random(f"{seed} {name}")  # its own: what is left out of a plan changes nobody else's luck
        self._fault_rate = fault_rate
        self._rate = self._chance.uniform(0.95, 1.05)
        self._offset = self._chance.uniform(-1e4, 1e4)
        self._pace = self._chance.choice((1.0, 1.0, 0.05))  # how far everything is
        self._requests = 0
        self._alarms: dict[int, Callable[[], None]] = {}
        self._lost: list[asyncio.Future[None]] = []  # kept, or the garbage collector would end who waits for them

    def clock(self) -> float:
        """Return the time by this process's clock, which is set wrong and goes wrong."""
        return _now() * self._rate + self._offset

    def at_request(self, number: int, strike: Callable[[], None]) -> None:
        """Let something happen right before its request of this number, from 1, is sent."""
        self._alarms[number] = strike

    async def reach(self, what: str, apply: Callable[[], Any], peer: Peer, *, writes: bool) -> Any:
        """Send a request, have it applied, and get the answer; each part of it takes its time, or is lost.

        Raises:
            BackendError: If the request or its answer was lost, or if it takes too long and is applied later.
        """
        self._requests += 1
        self._alarms.get(self._requests, lambda: None)()
        # What was decided under a lease is sent within the settling time, or the docs promise nothing.
        await self._stand_still(None if peer is self.registry else _STALL)
        fault = self._chance.random()
        if fault > 1 - self._fault_rate / 2 and _now() >= peer.away_until:
            await self._time_out(what, apply, peer, writes=writes)
        await self._send(self._delay(peer), apply)
        if self.is_dead and self._chance.random() < 0.5:
            await self._never()
        if fault < self._fault_rate or _now() < peer.away_until:
            raise BackendError(f"{what} was lost", retryable=True)
        result = apply()
        await asyncio.sleep(max(self._delay(peer), peer.silent_until - _now()))
        await self._stand_still(None)
        if fault > 1 - self._fault_rate:
            raise BackendError(f"the answer to {what} was lost", retryable=True, maybe_applied=writes)
        return result

    async def _time_out(self, what: str, apply: Callable[[], Any], peer: Peer, *, writes: bool) -> None:
        seconds = self._delay(peer) / 2
        await asyncio.sleep(seconds)
        asyncio.get_running_loop().call_later(seconds + self._chance.random() * peer.lingers, _applied, apply)
        raise BackendError(f"{what} timed out", retryable=True, maybe_applied=writes)

    def _delay(self, peer: Peer) -> float:
        return self._pace * self._chance.choice(peer.delays)

    async def _send(self, seconds: float, apply: Callable[[], Any]) -> None:
        """Wait until a request is there. It may get there, and be applied, though nobody waits for it any more."""
        there = _now() + seconds
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if self._chance.random() < 0.5:
                asyncio.get_running_loop().call_later(there - _now(), _applied, apply)
            raise

    async def _stand_still(self, at_most: float | None) -> None:
        if self.is_dead:
            await self._never()
        left = self.frozen_until - _now()
        if left > 0:
            await asyncio.sleep(left if at_most is None else min(left, at_most))

    async def _never(self) -> None:
        self._lost.append(asyncio.get_running_loop().create_future())
        await self._lost[-1]


running: ContextVar[Machine] = ContextVar("running")
"""The machine on which a call is made."""


def _applied(apply: Callable[[], Any]) -> None:
    with suppress(StorageError):  # which nobody is there to be told
        apply()


def _now() -> float:
    return asyncio.get_running_loop().time()
