"""How many runs find each weakening: `python -m tests.region.simulation.measure` prints the docs' table."""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.region.simulation.oracle import ViolationError
from tests.region.simulation.weakened_decisions import DECISIONS
from tests.region.simulation.weakened_labels import LABELS
from tests.region.simulation.weakened_records import RECORDS
from tests.region.simulation.world import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.region.simulation.weaken import Weakening

WEAKENINGS: tuple[Weakening, ...] = (*DECISIONS, *RECORDS, *LABELS)
MOST = 1000  # runs of one series
APART = 100_000  # seeds between the beginnings of two series


def simulated(runs: int) -> Counter[str]:
    """Run with seeds from 0 on, and return what happened how often.

    Raises:
        ViolationError: If the guard broke a promise.
    """
    seen: Counter[str] = Counter()
    for seed in range(runs):
        seen += simulate(seed)
    return seen


def runs_until_found(weakening: Weakening, first: int = 0, most: int = MOST) -> int | None:
    """Return how many runs, from seed `first` on, it takes to see a promise broken; None if none does."""
    with pytest.MonkeyPatch.context() as patch:
        weakening.apply(patch)
        for number in range(most):
            try:
                simulate(first + number)
            except ViolationError:
                return number + 1
    return None


def print_table(
    weakenings: Iterable[Weakening], runs_until_found: Callable[[Weakening, int], int | None], most: int
) -> None:
    """Print the median and the most runs for each weakening, over as many series as the command line says."""
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    for weakening in weakenings:
        counts = [runs_until_found(weakening, number) or most for number in range(series)]
        sys.stdout.write(f"| {weakening.says} | {median(counts):.0f} | {max(counts)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    print_table(WEAKENINGS, lambda weakening, number: runs_until_found(weakening, APART * number), MOST)
