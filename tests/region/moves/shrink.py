"""A plan that fails, made smaller: `python -m tests.region.moves.shrink "SEED"` prints it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.region.moves.oracle import ViolationError
from tests.region.moves.plans import Seeded, random_plan
from tests.region.moves.world import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.region.moves.plan import Plan


def breaks(plan: Plan) -> bool:
    """Return whether a promise is broken."""
    try:
        simulate(plan)
    except ViolationError:
        return True
    return False


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return a plan that fails too, of which nothing can be left out."""
    while (smaller := next(filter(fails, _smaller(plan)), None)) is not None:
        plan = smaller
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Return what remains of a plan when half of something is left out, then a quarter, and so on."""
    for name in ("moves", "events", "acts", "policies"):
        every = getattr(plan, name)
        size = (len(every) + 1) // 2
        while size:
            for first in range(0, len(every), size):
                left = every[:first] + every[first + size :]
                if left or name != "policies":
                    yield plan._replace(**{name: left})
            size //= 2
    if plan.fault_rate:
        yield plan._replace(fault_rate=0.0)


if __name__ == "__main__":
    sys.stdout.write(f"{shrunk(random_plan(Seeded(sys.argv[1])), breaks)!r}\n")
