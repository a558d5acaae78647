"""Those who act while a call waits: an operator, the clock, and callers who change their own record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.region.simulation.agents import IDS
from tests.region.simulation.attempts import FIELD
from tests.region.simulation.policies import TENANTS, loosened, random_policy, tightened
from tests.region.simulation.scheduler import Task, pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.region.simulation.attempts import Attempt
    from tests.region.simulation.world import World


class Disturber:
    """Acts once each time it is stepped, where a call just stands.

    Attributes:
        name: What it does.
        task: What the scheduler steps.
    """

    def __init__(self, world: World, act: Callable[[World, Attempt], None]) -> None:
        self._world = world
        self._act = act
        self.name = act.__name__
        self._at: Attempt | None = None
        self.task = Task(self._run())

    def step(self, at: Attempt) -> None:
        """Act once, near the call `at`."""
        self._at = at
        self.task.step()

    async def _run(self) -> None:
        while True:
            if self._at is not None:
                self._act(self._world, self._at)
            await pause("rests")


def operate(world: World, at: Attempt) -> None:
    """Put another policy in force."""
    raw, chance, now = world.in_force.raw, world.chance, world.clock.wall
    # What was tightened is soon loosened again: a world where all is denied shows little.
    kind = chance.choices(["tighten", "loosen", "replace"], [0, 8, 1] if world.is_tight else [5, 3, 1])[0]
    world.is_tight = kind == "tighten"
    if kind == "tighten":
        raw = tightened(raw, at, chance, now)
    elif kind == "loosen":
        raw = loosened(raw, at, chance, now)
    else:
        raw = random_policy(chance, now)
    world.in_force.swap(raw)
    world.note(f"the operator: {kind}, now {world.in_force.current.digest[:6]}")


def pass_time(world: World, at: Attempt) -> None:
    """Let time pass, or set the wall clock."""
    chance = world.chance
    seconds = chance.choice([1, 5, 20])
    jump = chance.choices([0, 30, -30, -300], [6, 1, 1, 1])[0]
    world.clock.advance(seconds)
    world.clock.jump(jump)
    world.note(f"the clock: {seconds} s pass, and it jumps {jump} s")


def change_own_record(world: World, at: Attempt) -> None:
    """Change the caller's own record while the call waits. Where labels are off, nothing is promised of it."""
    if at.record is None or at.invalid or not at.process.labels:
        return
    if world.chance.random() < 0.5:
        at.record[FIELD] = {"region": at.process.region, "tenant": world.chance.choice(TENANTS)}
    elif "sessionId" in at.record:
        at.record["sessionId"] = world.chance.choice(IDS)
    at.keep_state()
    world.note(f"the caller of {at} changes its record")
