"""Movers: `residency move` as a simulated process, and the operator who makes a broken-off move again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from storescope import BackendError, ResidencyError
from storescope.middleware._region._labels import Labels
from storescope.middleware._region._moving._move import Mover, MoveRefusedError
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pins._pin import PinKey
from tests.region.moves.pins import elsewhere, pin_of
from tests.region.moves.shop import Shop
from tests.region.moves.troubles import strike

if TYPE_CHECKING:
    from tests.region.moves.plan import Move
    from tests.region.moves.world import World

BROKEN_OFF = frozenset({"BackendError", "SessionBusyError", "TimeoutError"})
"""How a move ends that is to be made again."""

_TRIES = 5
_LONGEST = 30  # seconds that a move may take
_UNTIL = 10  # seconds until nobody waits any more for the session to be there


class Command:
    """One process that moves sessions.

    Attributes:
        machine: What it runs on.
    """

    def __init__(self, world: World, *, is_lucky: bool = False) -> None:
        self._world = world
        self.machine = world.machine(f"mover {world.next_mover()}", None, 0 if is_lucky else None)
        sides = {
            region: Side(region, Shop(store, lambda: self.machine, world.contacted))
            for region, store in world.stores.items()
        }
        self._registry = world.registry(self.machine)
        self._mover = Mover(self._registry, world.policy, sides, Labels(name_ids=True), lambda _: None)

    async def move(self, session: str, region: str) -> str:
        """Move a session, or try to; return how it ended."""
        world, name, end = self._world, self.machine.name, "moved"
        world.note(f"{name} moves {session} to {region}")
        with world.judging():
            try:
                await asyncio.wait_for(self._mover.move(session, region), _LONGEST)
            except (MoveRefusedError, BackendError, ResidencyError, TimeoutError) as error:
                end = type(error).__name__
                world.note(f"{name}: {error!r}")
        world.note(f"{name}: {end}")
        world.seen[end] += 1
        return end

    async def end(self) -> None:
        """Take leave of the registry, and end."""
        with suppress(BackendError, TimeoutError):
            await asyncio.wait_for(self._registry.aclose(), 5)
        self.machine.is_dead = True


async def move_once(world: World, session: str, region: str, *, is_lucky: bool = False) -> str:
    """Move a session by a process of its own, or try to; return how it ended."""
    command = Command(world, is_lucky=is_lucky)
    end = await command.move(session, region)
    await command.end()
    return end


async def move_as_planned(world: World, move: Move) -> None:
    """Make a move, and make it again where it is broken off: the same process does, or another."""
    await asyncio.sleep(move.when)
    while pin_of(world, PinKey("session", move.session)) is None:
        if world.now > _UNTIL:
            return
        await asyncio.sleep(0.1)
    command = Command(world)
    command.machine.at_request(move.after, lambda: strike(world, move.trouble, command.machine))
    for _ in range(_TRIES):
        end = await command.move(move.session, elsewhere(world, move.session, move.trouble.region))
        if end not in BROKEN_OFF:
            break
        if command.machine.is_dead or move.trouble.at % 2:
            await command.end()
            command = Command(world)
        await asyncio.sleep(1)
    await command.end()
