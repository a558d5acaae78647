"""How many runs find each weakening: `python -m tests.region.moves.measure` prints the docs' table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.region.moves.oracle import ViolationError
from tests.region.moves.plans import Seeded, random_plan
from tests.region.moves.weakened_moves import MOVES
from tests.region.moves.weakened_pins import PINS
from tests.region.moves.weakened_routes import ROUTES
from tests.region.moves.world import simulate
from tests.region.simulation.measure import print_table

if TYPE_CHECKING:
    from tests.region.simulation.weaken import Weakening

WEAKENINGS: tuple[Weakening, ...] = (*PINS, *ROUTES, *MOVES)
MOST = 3000  # runs of one series


def runs_until_found(weakening: Weakening, series: int = 0, most: int = MOST) -> int | None:
    """Return how many runs of a series it takes to see a promise broken; None if none does."""
    with pytest.MonkeyPatch.context() as patch:
        weakening.apply(patch)
        for number in range(most):
            try:
                simulate(random_plan(Seeded(f"{series} {number}")))
            except ViolationError:
                return number + 1
    return None


if __name__ == "__main__":
    print_table(WEAKENINGS, runs_until_found, MOST)
