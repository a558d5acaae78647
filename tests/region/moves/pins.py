"""What the registry says, read past every network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.middleware._region._pins._pin import Pin, PinKey
from tests.region.moves.plan import tenant_of
from tests.region.moves.policies import EU, TENANTS, US
from tests.region.moves.shop import at_once

if TYPE_CHECKING:
    from tests.region.moves.world import World


def pin_of(world: World, key: PinKey) -> Pin | None:
    """Return a pin as the registry has it."""
    found = at_once(world.engine.get(key.pin))
    return Pin.from_bytes(found.value) if found else None


def moving_to(pin: Pin | None) -> str | None:
    """Return where a move that is not finished goes to."""
    return str(pin.fence.data["to"]) if pin is not None and pin.fence and pin.fence.why == "move" else None


def owner_of(world: World, session: str) -> str:
    """Return whose a session is, or mostly would be."""
    pin = pin_of(world, PinKey("session", session))
    return pin.tenant if pin is not None else tenant_of(session)


def home_of(world: World, session: str) -> str | None:
    """Return where a session is, or would be placed."""
    pin = pin_of(world, PinKey("session", session))
    rule = world.policy.table[TENANTS.index(owner_of(world, session))]
    return pin.region if pin is not None else rule.home if rule is not None else None


def elsewhere(world: World, session: str, region: str) -> str:
    """Return where to move a session: where an unfinished move goes to, else to where it is not."""
    pin = pin_of(world, PinKey("session", session))
    if pin is None:
        return region
    return moving_to(pin) or (US if pin.region == EU else EU)
