"""Reads while a process is cut off from the registry are as good as any others, or denied."""

from __future__ import annotations

import pytest

from tests.region.moves.plan import EU, US, Act, Event, Plan
from tests.region.moves.world import simulate
from tests.rounds import LONG

WRITES = ("session.set", "session.set", "message.set", "message.set")
READS = ("session.get", "message.get", "message.listBySession")
TROUBLE: tuple[list[Event], ...] = (
    [],
    [Event(3.5, "crash mover", 1, "s0", US)],
    [Event(5.5, "move", 1, "s0", US)],
)
"""What comes beside the move: a move that is broken off half-way, or one that goes back."""


@pytest.mark.parametrize("seed", range(300 if LONG else 12))
def test_a_process_that_is_cut_off_while_its_session_is_moved(seed: int) -> None:
    """Half a list is never returned, nor what was there before a write elsewhere: the oracle judges as ever."""
    acts = [
        *(Act(0, operation, "acme", "s0", record, 0.0) for record in ("r0", "r1") for operation in WRITES),
        *(Act(0, operation, "acme", "s0", "r0", 0.1) for operation in READS * 25),
    ]
    cut_off = [Event(2.5, "unplug", 0, "s0", EU), Event(2.6, "move", 1, "s0", US)]
    simulate(Plan(seed, 0.02 if seed % 2 else 0.0, acts, [*cut_off, *TROUBLE[seed % len(TROUBLE)]]))
