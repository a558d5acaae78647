"""Reads while a process is cut off from the registry are as good as any others, or denied."""

from __future__ import annotations

import pytest

from tests.region.moves.plan import Act, Event, Move, Plan, Trouble
from tests.region.moves.policies import EU, US, WIDEST
from tests.region.moves.world import simulate
from tests.rounds import LONG

WRITES = ("session.set", "session.set", "message.set", "message.set")
READS = ("session.get", "message.get", "message.listBySession")
NOTHING = Trouble("nothing", 0, "s0", US)
AFTER = (10, 14, 18, 22)  # requests of a mover that is killed


def moves(seed: int) -> list[Move]:
    """Return a move, or one that is broken off half-way, or one that goes back."""
    crash = NOTHING._replace(what="crash mover")
    return [
        [Move(2.6, "s0", 1, NOTHING)],
        [Move(2.6, "s0", AFTER[seed % len(AFTER)], crash), Move(8.0, "s0", 1, NOTHING)],
        [Move(2.6, "s0", 1, NOTHING), Move(5.5, "s0", 1, NOTHING)],
    ][seed % 3]


@pytest.mark.parametrize("seed", range(300 if LONG else 12))
def test_a_process_that_is_cut_off_while_its_session_is_moved(seed: int) -> None:
    """Half a list is never returned, nor what was there before a write elsewhere: the oracle judges as ever."""
    acts = [
        *(Act(0, operation, "s0", record, "acme", 0.0) for record in ("r0", "r1") for operation in WRITES),
        *(Act(0, operation, "s0", "r0", "acme", 0.1) for operation in READS * 25),
    ]
    cut_off = Event(2.5, Trouble("unplug", 0, "s0", EU))
    fault_rate = 0.02 if seed % 2 else 0.0
    simulate(Plan(seed, fault_rate, [WIDEST], (EU, EU, EU), acts, moves(seed), [cut_off]))
