"""A simulated process, and what it reaches over a network that delays, fails and, when it is killed, is cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from storescope.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

SETTLE = 2.0  # seconds that a write may be under way


class Machine:
    """One process with a clock of its own.

    Attributes:
        name: As the trace calls it.
        is_dead: Whether it was killed: nothing that it awaits comes back, and nothing that it sends is applied.
        unplugged_until: Until when it does not reach the registry.
        frozen_until: Until when it stands still.
    """

    def __init__(self, name: str, chance: Random, fault_rate: float) -> None:
        self.name = name
        self.is_dead = False
        self.unplugged_until = 0.0
        self.frozen_until = 0.0
        self._chance = chance
        self._fault_rate = fault_rate
        self._rate = chance.uniform(0.95, 1.05)
        self._offset = chance.uniform(-1e4, 1e4)

    def clock(self) -> float:
        """Return the time by this process's clock, which is set wrong and goes wrong."""
        return asyncio.get_running_loop().time() * self._rate + self._offset

    async def reach(self, what: str, apply: Callable[[], Any], *, writes: bool, registry: bool = False) -> Any:
        """Send a request, have it applied, and get the answer; each part of it takes its time, or is lost.

        Raises:
            BackendError: If the request or its answer was lost.
        """
        await self._stand_still()
        fault = self._chance.random()
        await asyncio.sleep(self._chance.choice(_DELAYS))
        if self.is_dead and self._chance.random() < 0.5:
            await self._never()
        if fault < self._fault_rate or (registry and asyncio.get_running_loop().time() < self.unplugged_until):
            raise BackendError(f"{what} was lost", retryable=True)
        result = apply()
        await asyncio.sleep(self._chance.choice(_DELAYS))
        if self.is_dead:
            await self._never()
        await self._stand_still()
        if fault > 1 - self._fault_rate:
            raise BackendError(f"the answer to {what} was lost", retryable=True, maybe_applied=writes)
        return result

    async def _stand_still(self) -> None:
        if self.is_dead:
            await self._never()
        left = self.frozen_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _never(self) -> None:
        await asyncio.get_running_loop().create_future()


_DELAYS = (0.0, 0.001, 0.001, 0.01, 0.01, 0.1, 0.4)
