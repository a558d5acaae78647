"""How many runs find each weakening: `python -m tests.region.moves.measure` prints the docs' table."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.region.moves.oracle import ViolationError
from tests.region.moves.plan import Plan, plans
from tests.region.moves.weakened_moves import MOVES
from tests.region.moves.weakened_pins import PINS
from tests.region.moves.weakened_routes import ROUTES
from tests.region.moves.world import simulate
from tests.region.simulation.measure import print_table
from tests.region.simulation.weaken import Weakening

WEAKENINGS: tuple[Weakening, ...] = (*PINS, *ROUTES, *MOVES)
MOST = 3000  # runs of one series


def runs_until_found(weakening: Weakening, series: int = 0, most: int = MOST) -> int | None:
    """Return how many runs of a series it takes to see a promise broken; None if none does."""
    with pytest.MonkeyPatch.context() as patch:
        weakening.apply(patch)
        return _first_violation(series, most)


def _first_violation(series: int, most: int) -> int | None:
    runs, found = 0, None

    @seed(series)
    @settings(
        max_examples=most,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(plans)
    def search(plan: Plan) -> None:
        nonlocal runs, found
        runs += 1
        try:
            simulate(plan)
        except ViolationError:
            found = found or runs
            raise

    try:
        search()
    except ViolationError:
        return found
    return None


if __name__ == "__main__":
    print_table(WEAKENINGS, runs_until_found, MOST)
