"""No schedule of calls, moves, faults, crashes and changes of policy breaks what pins promise."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from storescope import OPERATIONS
from tests.region.moves.measure import MOST, WEAKENINGS, runs_until_found
from tests.region.moves.oracle import ViolationError
from tests.region.moves.plans import AT_MOVER, TROUBLES, Seeded, plans, random_plan
from tests.region.moves.shrink import breaks, shrunk
from tests.region.moves.world import simulate
from tests.region.simulation.weaken import documented
from tests.rounds import LONG

if TYPE_CHECKING:
    from tests.region.moves.plan import Plan
    from tests.region.simulation.weaken import Weakening

RUNS = 2500 if LONG else 250  # of each part
PARTS = 8 if LONG else 1  # 20,000 runs, side by side
QUICK = {
    "A process takes no lease.",
    "The last writer of a pin wins.",
    "The epoch stays as it was.",
    "The tenant of a pin is not compared.",
}


@settings(
    max_examples=1500 if LONG else 10,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(plans)
def test_sessions_stay_whole_and_where_they_may_be(plan: Plan) -> None:
    simulate(plan)


@pytest.fixture(scope="module")
def seen(part: int) -> Counter[str]:
    """The counts of all runs of a part; a broken promise fails here, with the smallest plan."""
    total: Counter[str] = Counter()
    for number in range(part * RUNS, (part + 1) * RUNS):
        plan = random_plan(Seeded(number))
        try:
            total += simulate(plan).seen
        except ViolationError:
            smallest = shrunk(plan, breaks)
            with pytest.raises(ViolationError) as raised:
                simulate(smallest)
            pytest.fail(f"seed {number}: {raised.value}\n{smallest!r}")
    return total


@pytest.mark.unmeasured
@pytest.mark.parametrize("part", range(PARTS), scope="module")
def test_every_run_keeps_the_promises_and_much_happens_in_them(seen: Counter[str]) -> None:
    for name in (*OPERATIONS, *TROUBLES, *AT_MOVER, "moved", "MoveRefusedError", "BackendError"):
        assert seen[name], name


def test_a_seed_repeats_its_run() -> None:
    """But for the random names of holders and tries."""
    plan = random_plan(Seeded(4711))
    one, other = ([re.sub("[0-9a-f]{16,}", "", line) for line in simulate(plan).trace] for _ in range(2))
    assert one == other


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "weakening",
    [weakening for weakening in WEAKENINGS if LONG or weakening.says in QUICK],
    ids=lambda weakening: weakening.says,
)
def test_a_weakened_pin_or_move_is_found_out(weakening: Weakening) -> None:
    assert runs_until_found(weakening, most=MOST), f"{weakening.says} Nothing noticed it in {MOST} runs."


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=lambda weakening: weakening.says)
def test_every_weakening_still_is_one(weakening: Weakening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text stands in the code; whether it is found out is tried in make test-long."""
    weakening.apply(monkeypatch)


def test_the_docs_list_every_weakening() -> None:
    assert documented("Pins and moves") == [weakening.says for weakening in WEAKENINGS]


def test_a_plan_is_made_as_small_as_it_can_be() -> None:
    def has_what_it_takes(plan: Plan) -> bool:
        return any(act.session == "s1" for act in plan.acts) and len(plan.moves) > 1

    plan = next(filter(has_what_it_takes, (random_plan(Seeded(number)) for number in range(100))))
    small = shrunk(plan, has_what_it_takes)
    assert (len(small.acts), len(small.moves), len(small.events), len(small.policies)) == (1, 2, 0, 1)
    assert small.fault_rate == 0
