"""What goes wrong, or changes, at some time or in the midst of a move."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from storescope.middleware._region._pins._pin import PinKey
from tests.region.moves.oracle import Write
from tests.region.moves.pins import elsewhere, home_of, owner_of
from tests.region.moves.plan import OLD
from tests.region.moves.policies import EU, US

if TYPE_CHECKING:
    from tests.region.moves.machine import Machine
    from tests.region.moves.plan import Trouble
    from tests.region.moves.world import World

LEASE = 3.0
OUTAGE = 4.0  # seconds
AWAY = 12.0  # seconds: longer than it takes to be taken for dead, and the session to be moved


def strike(world: World, trouble: Trouble, mover: Machine | None = None) -> None:
    """Let it happen; to the mover, where it is about one."""
    world.note(f"{trouble}")
    world.seen[trouble.what] += 1
    number = _whom(world, trouble)
    match trouble.what:
        case "freeze" | "unplug" | "hang":
            _hit(world, world.processes[number].machine, trouble.what)
        case "crash":
            world.crash(number)
        case "move":
            world.begin(world.move(trouble.session, elsewhere(world, trouble.session, trouble.region)))
        case "policy":
            policies = world.plan.policies
            world.put_in_force(policies[trouble.at % len(policies)])
        case "outage":
            world.stores[trouble.region].away_until = world.now + OUTAGE
        case "rogue":
            _add_rogue(world, trouble)
        case "old record":
            _add_old(world, trouble.session)
        case what:
            assert mover is not None, "it is about one"
            _hit(world, mover, what.removesuffix(" mover"))


def _hit(world: World, machine: Machine, what: str) -> None:
    """Let something happen to a process."""
    match what:
        case "crash":
            machine.is_dead = True
        case "freeze":
            machine.frozen_until = world.now + AWAY
        case "unplug":
            machine.registry.away_until = world.now + AWAY
        case "hang":
            machine.registry.silent_until = world.now + AWAY
        case "lose a copy":
            machine.loses_a_copy = True
        case _:
            pass  # the mover is left alone


def _whom(world: World, trouble: Trouble) -> int:
    """Return which process it is about: one that has a lease on the session, if there is one."""
    key = PinKey("session", trouble.session)
    holders = [number for number, each in enumerate(world.processes) if each.registry.leases.good(key)]
    among = holders or range(len(world.processes))
    return among[trouble.at % len(among)]


def _add_rogue(world: World, trouble: Trouble) -> None:
    """Put a row there past the guard: without a label, with a wrong one, or restored from another region."""
    world.rogue.add(trouble.session)
    here, other = trouble.region, US if trouble.region == EU else EU
    if trouble.at == 0:
        _restore(world, trouble.session, other, here)
        return
    id_ = f"x{trouble.at}"
    row: dict[str, Any] = {"rogue": 1, "by": "nobody", "me": id_, "sessionId": trouble.session}
    label = {"region": here, "tenant": owner_of(world, trouble.session), "session": trouble.session, "id": id_}
    if trouble.at == 1:
        row["$residency"] = {**label, "region": other}
    elif trouble.at == 2:
        row["$residency"] = {**label, "tenant": "initech"}
    world.stores[here].rows["message", id_] = row


def _restore(world: World, session: str, source: str, here: str) -> None:
    """Put there what lies in another region, as who restores a backup into the wrong store."""
    rows = world.stores[here].rows
    for key, row in world.stores[source].rows.items():
        if row.get("sessionId") == session and key not in rows and "rogue" not in row:
            rows[key] = {**deepcopy(row), "rogue": 1}


def _add_old(world: World, session: str) -> None:
    """Put a record there as it was before there were pins: whole, and where its session is or would be placed."""
    tenant, key = owner_of(world, session), ("message", OLD)
    region = home_of(world, session)
    if region is None or key in world.oracle.writes:
        return
    world.oracle.wrote(key, Write(0, tenant, session, 0, ended=0))
    label = {"region": region, "tenant": tenant, "session": session, "id": OLD}
    row = {"n": 0, "by": tenant, "me": OLD, "sessionId": session, "$residency": label}
    world.stores[region].rows[key] = row
    world.rogue.add(session)  # if the other tenant is the first to pin it, its lists are denied
