"""What goes wrong, or changes, at some time or in the midst of a move."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.region.moves.machine import SETTLE
from tests.region.moves.plan import tenant_of
from tests.region.moves.policies import EU, TENANTS, US

if TYPE_CHECKING:
    from tests.region.moves.machine import Machine
    from tests.region.moves.plan import Trouble
    from tests.region.moves.world import World

LEASE = 3.0
AWAY = 3 * LEASE  # longer than it takes to be taken for dead
FROZEN = 2 * LEASE + SETTLE


def strike(world: World, trouble: Trouble, mover: Machine | None = None) -> None:
    """Let it happen; to the mover, where it is about one."""
    world.note(f"{trouble}")
    machine = mover
    if machine is None:
        machine = world.processes[trouble.at % len(world.processes)].machine
    match trouble.what:
        case "crash mover":
            machine.is_dead = True
        case "freeze mover" | "freeze":
            machine.frozen_until = world.now + FROZEN
        case "unplug mover" | "unplug":
            machine.registry.away_until = world.now + AWAY
        case "second mover":
            world.begin(world.move(trouble.session, trouble.region))
        case "policy":
            policies = world.plan.policies
            world.put_in_force(policies[trouble.at % len(policies)])
        case "outage":
            world.stores[trouble.region].away_until = world.now + AWAY
        case "crash":
            world.crash(trouble.at % len(world.processes))
        case "rogue":
            _add_rogue(world, trouble)


def _add_rogue(world: World, trouble: Trouble) -> None:
    """Put a row there past the guard: without a label, with a wrong one, or restored from another region."""
    world.rogue.add(trouble.session)
    here, other, tenant = trouble.region, _other(trouble.region), tenant_of(trouble.session)
    rows = world.stores[here].rows
    if trouble.at == 0:
        for key, row in world.stores[other].rows.items():
            if row.get("sessionId") == trouble.session and key not in rows:
                rows[key] = {**deepcopy(row), "rogue": 1}
        return
    id_ = f"x{trouble.at}"
    row: dict[str, Any] = {"rogue": 1, "by": "nobody", "me": id_, "sessionId": trouble.session}
    label = {"region": here, "tenant": tenant, "session": trouble.session, "id": id_}
    if trouble.at == 1:
        row["$residency"] = {**label, "region": other}
    elif trouble.at == 2:
        row["$residency"] = {**label, "tenant": TENANTS[1 - TENANTS.index(tenant)]}
    rows["message", id_] = row


def _other(region: str) -> str:
    return US if region == EU else EU
