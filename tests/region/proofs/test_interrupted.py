"""Ctrl-C and SIGTERM break a move off in good order: it says so, and the same command finishes it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from storescope.middleware._region._pins._pin import PinKey
from tests.apps.command import PROGRAM
from tests.region.proofs.regions import RECORDS, SESSION, US, World, move, move_arguments, opened, verify

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.middleware._region._pins._lease import Lease
    from storescope.middleware._region._pins._pin import Pin

KEY = PinKey("session", SESSION)
TIMES = ("--lease-seconds", "20", "--settle-seconds", "0.2")


async def hold(world: World) -> Lease:
    """Begin a call on the session that does not end, so that a mover waits for it."""

    async def never(key: PinKey, pin: Pin) -> None:
        raise AssertionError

    async def as_it_is(pin: Pin | None) -> Pin | None:
        return pin

    lease = await world.pins.leases.take(KEY, as_it_is, never)
    assert lease is not None
    lease.enter()
    return lease


async def until_fenced(world: World) -> None:
    async with asyncio.timeout(30):
        while (await world.pin()).fence is None:  # noqa: ASYNC110 (it is another process)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_move_that_is_interrupted(number: signal.Signals, folder: Path) -> None:
    async def interrupt() -> tuple[int, str]:
        async with AsyncExitStack() as stack:
            world = await opened(folder, stack)
            lease = await hold(world)
            process = await asyncio.create_subprocess_exec(
                PROGRAM, *move_arguments(folder, *TIMES), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            try:
                await until_fenced(world)
                process.send_signal(number)
                _, said = await asyncio.wait_for(process.communicate(), 30)
            finally:
                if process.returncode is None:
                    process.kill()
            lease.leave()
            return process.returncode or 0, said.decode()

    code, said = asyncio.run(interrupt())
    assert code == 3
    assert "storescope: broken off (interrupted); run the same command again: it finishes the move\n" in said
    assert "Traceback" not in said
    refused = move(folder, to="aws:eu-west-1")
    assert (refused.code, f"a move of the session to {US} was not finished" in refused.err) == (1, True)
    assert move(folder, *TIMES).code == 0
    assert verify(folder).code == 0

    async def whole() -> None:
        async with AsyncExitStack() as stack:
            world = await opened(folder, stack)
            assert await world.rows(US) == RECORDS
            assert (await world.pin()).fence is None

    asyncio.run(whole())
