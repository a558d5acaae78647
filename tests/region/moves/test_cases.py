"""Plans that once broke a promise, made small. Each was found by a seed; what it found is mended, and stays so."""

from __future__ import annotations

import pytest

from tests.region.moves.plan import Act, Event, Move, Plan, Trouble
from tests.region.moves.policies import EU, US, Rule
from tests.region.moves.world import simulate

CASES = {
    "a process whose leases lapsed for a moment while it ended what it had begun": Plan(
        seed=2424755451,
        fault_rate=0.0,
        policies=[(Rule(store=(EU,)), Rule(home=US))],
        callers=(EU, US, EU),
        acts=[
            Act(0, "message.update", "s0", "r0", "acme", 0.0, moves=True),
            Act(0, "message.set", "s1", "r0", "acme", 0.0, moves=True),
        ],
        moves=[],
        events=[Event(2.0, Trouble("unplug", 0, "s1", EU), None), Event(0.0, Trouble("freeze", 0, "s2", EU), 0.0)],
    ),
    "a process that was taken for dead while it put a message into another session": Plan(
        seed=3400480065,
        fault_rate=0.0,
        policies=[(Rule(), Rule(store=(US,), home=US))],
        callers=(EU, EU, EU),
        acts=[
            Act(1, "message.get", "s2", "g0", "globex", 0.5, moves=True),
            Act(1, "message.update", "s1", "r2", "acme", 0.0, moves=True),
            Act(2, "message.set", "s0", "r2", "acme", 0.0, caller=US),
            Act(0, "sandbox.update", "s0", "r0", "globex", 0.0, moves=True),
            Act(2, "message.get", "s2", "g0", "globex", 2.0, caller=US),
            Act(2, "message.update", "s0", "r0", "acme", 0.0),
            Act(1, "setup.set", "s1", "old", "acme", 2.0),
            Act(0, "message.set", "s1", "r1", "acme", 2.0, moves=True),
            Act(2, "part.set", "s0", "r0", "acme", 0.5),
            Act(0, "message.update", "s0", "old", "acme", 0.2, caller=EU),
            Act(2, "message.set", "s1", "old", "acme", 0.5, moves=True),
        ],
        moves=[Move(3.0, "s0", 1, Trouble("freeze", 1, "s0", EU))],
        events=[],
    ),
    "a lease that was good again, beside the next one, once its term was renewed": Plan(
        seed=3415756498,
        fault_rate=0.05,
        policies=[(Rule(), Rule(store=(EU,)))],
        callers=(EU, EU, EU),
        acts=[
            Act(2, "message.update", "s2", "g0", "globex", 0.0),
            Act(1, "message.set", "s1", "r0", "acme", 0.0),
            Act(2, "message.set", "s0", "r1", "acme", 0.2, moves=True),
            Act(1, "session.update", "s0", "r0", "globex", 2.0),
            Act(1, "message.update", "s1", "r0", "acme", 0.0, moves=True),
            Act(2, "message.set", "s2", "g0", "globex", 0.5, moves=True),
            Act(1, "sandbox.update", "s0", "r0", "acme", 0.2),
            Act(1, "sandbox.set", "s1", "r1", "acme", 0.2),
            Act(1, "session.get", "s1", "r1", "acme", 0.5),
            Act(2, "message.get", "s0", "old", "acme", 0.5, moves=True),
            Act(1, "part.set", "s0", "r1", "acme", 0.0),
            Act(1, "message.update", "s1", "r0", "acme", 0.0),
        ],
        moves=[Move(1.5, "s1", 27, Trouble("unplug", 1, "s0", EU))],
        events=[],
    ),
    "a write of which no answer came, and that arrived after the session had been moved": Plan(
        seed=3536193143,
        fault_rate=0.02,
        policies=[(Rule(home=US), Rule())],
        callers=(EU, US, EU),
        acts=[
            Act(0, "setup.get", "s1", "r0", "globex", 0.0),
            Act(2, "part.get", "s0", "old", "acme", 2.0, caller=EU),
            Act(0, "message.update", "s0", "r0", "acme", 0.0),
            Act(1, "message.set", "s0", "r1", "acme", 2.0),
            Act(1, "message.set", "s2", "g0", "globex", 0.5, moves=True),
            Act(0, "part.set", "s2", "g0", "globex", 0.0),
        ],
        moves=[Move(0.0, "s0", 45, Trouble("crash mover", 2, "s0", EU))],
        events=[Event(1.5, Trouble("move", 2, "s0", EU), None)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_found_once_stays_mended(case: str) -> None:
    simulate(CASES[case])
