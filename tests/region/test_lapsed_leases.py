"""A lease whose term lapsed for a moment: what comes after it replaces it, and waits for its calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from storescope.middleware import PinRegistry
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._pin import Pin, PinKey
from storescope.middleware._region._pins._timing import Timing
from tests.region.policies import EU
from tests.region.registries import Hand, Shared, registry_on

if TYPE_CHECKING:
    from storescope.middleware._region._pins._lease import Lease

KEY = PinKey("session", "s1")
LEASE = 1000.0


async def propose(pin: Pin | None) -> Pin:
    return pin or Pin(EU, "acme")


async def leave_alone(*_: object) -> None:
    """End no fence."""


async def test_it_is_not_good_again_beside_the_next_one() -> None:
    clock = Hand()
    async with registry_on(Shared(), clock, lease=LEASE) as pins:

        async def take() -> Lease:
            lease = await pins.leases.take(KEY, propose, leave_alone)
            assert lease is not None
            return lease

        first = await take()
        first.enter()
        clock.now += LEASE
        assert pins.leases.good(KEY) is None
        taking = asyncio.create_task(take())
        await asyncio.sleep(0)
        assert pins.leases.presence.term is not None
        pins.leases.presence.term.until += LEASE  # the answer to a renewal arrives
        assert not first.is_good  # or nobody could ask it back
        for _ in range(10):
            await asyncio.sleep(0)
        assert not taking.done()  # or the next one could be given back while a call is made under the first
        first.leave()
        second = await taking
        assert second.is_good
        assert pins.leases.good(KEY) is second


async def test_who_waits_for_its_calls_gives_up_in_time() -> None:
    clock = Hand()
    timing = Timing(lease=LEASE, settle=LEASE, wait=0.05, clock=clock)
    async with PinRegistry(Shared(), timing, None) as pins:
        first = await pins.leases.take(KEY, propose, leave_alone)
        assert first is not None
        first.enter()
        clock.now += LEASE
        with pytest.raises(SessionBusyError, match="still under way"):
            await pins.leases.take(KEY, propose, leave_alone)
        first.leave()
        assert await pins.leases.take(KEY, propose, leave_alone) is not None
