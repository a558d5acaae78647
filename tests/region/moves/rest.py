"""The end of a run: what was left undone is finished, then everything lies where it should, and is all there."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from storescope.middleware._region._pins._pin import PinKey
from tests.region.moves.agents import Agent
from tests.region.moves.machine import SETTLE
from tests.region.moves.oracle import demand
from tests.region.moves.pins import moving_to, pin_of
from tests.region.moves.plan import OLD, RECORDS, SESSIONS, Act
from tests.region.moves.policies import EU, WIDEST, may_lie
from tests.region.moves.troubles import LEASE

if TYPE_CHECKING:
    from tests.region.moves.world import World

_PATIENCE = 120  # seconds until whatever was left undone must be finished


async def come_to_rest(world: World) -> None:
    """Finish the moves under the policy in force, and read everything under one that allows it.

    Processes are killed before, or they are there and idle: what they left undone is then theirs to finish.

    Raises:
        ViolationError: If something is split, lost, left undone, or where it never might have been.
    """
    world.kill(processes=world.plan.seed % 2 == 0)
    await asyncio.sleep(2 * (SETTLE + LEASE))
    for session in SESSIONS:
        await _finish_move(world, session)
    _check_places(world)
    world.policy.replace(WIDEST)
    await _read_everything(world)
    _check_places(world)
    _check_fences(world)


async def _finish_move(world: World, session: str) -> None:
    begun = world.now
    while (to := moving_to(pin_of(world, PinKey("session", session)))) is not None:
        await world.move(session, to, is_lucky=True)
        demand(world.now < begun + _PATIENCE, f"the move of {session} cannot be finished")


async def _read_everything(world: World) -> None:
    last = world.process("last", EU, fault_rate=0)
    agent = Agent(world, last, deque())
    for session in SESSIONS:
        for entity in ("session", "sandbox", "setup"):
            pin = pin_of(world, PinKey(entity, session))
            if pin is not None:
                await _read(world, agent, Act(0, f"{entity}.get", session, "", pin.tenant, 0))
        pin = pin_of(world, PinKey("session", session))
        for entity in ("message", "part") if pin is not None else ():
            assert pin is not None
            await _read(world, agent, Act(0, f"{entity}.listBySession", session, "", pin.tenant, 0))
    for record in RECORDS:
        for entity in ("message", "part"):
            acked = world.oracle.acked((entity, record), world.now)
            if acked:
                await _read(world, agent, Act(0, f"{entity}.get", "", record, acked[-1].tenant, 0))


async def _read(world: World, agent: Agent, act: Act) -> None:
    begun = world.now
    while (end := await agent.call(act)) == "may be tried again":
        demand(world.now < begun + _PATIENCE, f"{act} fails for ever")
    is_list = act.operation.endswith(".listBySession")
    demand(end == "returns" or (is_list and act.session in world.rogue), f"{act} {end} in the end")


def _check_places(world: World) -> None:
    seen: dict[tuple[str, str], str] = {}
    for region, store in world.stores.items():
        for (entity, id_), row in store.rows.items():
            if "rogue" not in row and (entity, id_) != ("message", OLD):
                where = seen.setdefault((entity, id_), region)
                demand(where == region, f"{entity} {id_} lies in two regions")
                _check_place(world, entity, id_, row, region)


def _check_place(world: World, entity: str, id_: str, row: dict[str, Any], region: str) -> None:
    tenant = row["by"]
    allowed = any(may_lie(policy, tenant, region) for policy in world.ever)
    demand(allowed, f"{entity} {id_} of {tenant} lies in {region}, where it was never allowed")
    session = row.get("sessionId")
    pin = pin_of(world, PinKey("session", session) if session else PinKey(entity, id_))
    demand(pin is not None, f"{entity} {id_} lies in {region} without a pin")
    assert pin is not None
    demand(pin.tenant == tenant, f"{entity} {id_} of {tenant} lies in a session of {pin.tenant}")
    demand(pin.region == region, f"{entity} {id_} lies in {region}, its pin says {pin.region}")


def _check_fences(world: World) -> None:
    for session in SESSIONS:
        pin = pin_of(world, PinKey("session", session))
        demand(pin is None or pin.fence is None, f"the fence of {session} was left up: {pin}")
