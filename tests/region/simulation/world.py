"""One run of the simulation, made from a seed and repeated from it."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from storescope.middleware._region import _memory
from tests.region.policies import EU, US
from tests.region.simulation.agents import Agent
from tests.region.simulation.clock import SimulatedClock
from tests.region.simulation.disturbers import Disturber, change_own_record, operate, pass_time
from tests.region.simulation.oracle import Oracle, ViolationError, decision_of, demand
from tests.region.simulation.policies import PolicyInForce, random_policy
from tests.region.simulation.processes import KEYS, random_process
from tests.region.simulation.rogue import write_behind
from tests.region.simulation.storage import Storage

if TYPE_CHECKING:
    from storescope import Call
    from tests.region.simulation.attempts import Attempt, Contact

AGENTS = 5
PROCESSES = 3
SHOWN = 25  # lines of the trace


class World:
    """All that is simulated.

    Attributes:
        chance: What decides everything, from the seed.
        clock: The time.
        in_force: The policy in force, which every guard follows.
        storages: The stores, one in each region.
        processes: The guards, several of them in front of one store.
        keys: The keys of most processes.
        is_tight: Whether the last change of the policy tightened it.
        seen: What happened how often.
    """

    def __init__(self, seed: int, patch: pytest.MonkeyPatch) -> None:
        self.chance = Random(seed)
        self.clock = SimulatedClock()
        patch.setattr(_memory, "time", self.clock)
        self.in_force = PolicyInForce(random_policy(self.chance, self.clock.wall))
        self.is_tight = False
        self.seen: Counter[str] = Counter()
        self._seed = seed
        self._count = 0
        self._trace: list[str] = []
        self._running: Attempt | None = None
        self._oracle = Oracle(self.in_force, self.clock)
        self.storages = [
            Storage(name, region, self, hands_out_its_own=self.chance.random() < 0.5)
            for name, region in (("eu-store", EU), ("us-store", US))
        ]
        self.keys = self.chance.choice([(), KEYS[:1], KEYS])
        self.processes = [random_process(self, f"process {number}") for number in range(PROCESSES)]
        self._agents = [Agent(self, f"agent {number}") for number in range(AGENTS)]
        # Who acts how often, and how often where the policy was just tightened: all that is denied shows little.
        acts = {write_behind: (4, 3), operate: (4, 12), pass_time: (2, 2), change_own_record: (1, 1)}
        self._disturbers = [Disturber(self, act) for act in acts]
        self._weights, self._tight_weights = zip(*acts.values(), strict=True)

    def run(self) -> None:
        """Run until every agent is done.

        Raises:
            ViolationError: If the guard broke a promise; it names the seed and what went before.
        """
        try:
            while agents := [agent for agent in self._agents if not agent.task.done]:
                self.seen["steps"] += 1
                self._step(agents)
        except ViolationError as violation:
            lines = "\n".join(self._trace[-SHOWN:])
            raise ViolationError(f"seed {self._seed}, step {self.seen['steps']}: {violation}\n{lines}") from None
        finally:
            for task in [actor.task for actor in self._agents] + [actor.task for actor in self._disturbers]:
                task.close()

    def _step(self, agents: list[Agent]) -> None:
        busy = self.busy()
        if busy and self.chance.random() < 0.35:
            self._disturb(self._running if self._running in busy else self.chance.choice(busy))
        else:
            self._go_on(self.chance.choice(agents))
            is_as_written = all(storage.is_as_written for storage in self.storages)
            demand(is_as_written, "a record that the store keeps was changed")

    def _disturb(self, at: Attempt) -> None:
        """Let somebody act just where a call stands; most often the one that ran last."""
        weights = self._tight_weights if self.is_tight else self._weights
        disturber = self.chance.choices(self._disturbers, weights)[0]
        self.seen[f"{disturber.name} at {at.stage}"] += 1
        disturber.step(at)

    def _go_on(self, agent: Agent) -> None:
        at = self._running = agent.attempt
        self.clock.reader = at.process.reader if at else None
        if at is not None and self.chance.random() < 0.02:
            self.note(f"{at} is cancelled")
            self.seen[f"cancelled at {at.stage}"] += 1
            at.cancelled = True
            agent.task.cancel()
        else:
            agent.task.step()
        self.note(f"{agent.name} {agent.task.where}")

    def busy(self) -> list[Attempt]:
        """Return the calls that wait for something."""
        return [agent.attempt for agent in self._agents if agent.attempt is not None]

    def begin(self, at: Attempt) -> None:
        """Note that an agent's call begins, in the step that runs now."""
        self._running, self.clock.reader = at, at.process.reader
        self.note(f"{at} of {at.tenant!r} in {at.region} at {at.process.name}")

    def opened(self, call: Call) -> Attempt:
        """Return whose call was opened just now, once it is judged."""
        at = self._running
        if at is None:
            raise ViolationError("a call was opened that nobody made")
        self._oracle.opened(at, call)
        return at

    def contact(self, storage: Storage, operation: str, params: dict[str, Any]) -> Contact:
        """Judge a contact with a store."""
        at = self._running
        contact = self._oracle.contact(at, operation, params)
        demand(at is not None and at.process.storage is storage, "another store was contacted")
        self.seen["contacts"] += 1
        return contact

    def applied(self, contact: Contact, result: Any) -> None:
        """Note what a store has just read or done."""
        contact.reading = deepcopy(result)
        if self._running is not None:
            self._oracle.applied(self._running, contact)
        self.note(f"  {self._running}: {contact.operation} {contact.params} gave {result}")

    def ended(self, at: Attempt, result: Any, error: BaseException | None) -> None:
        """Judge how a call ended."""
        self.note(f"  {at} ends with {result if error is None else error!r}")
        self._oracle.ended(at, result, error)
        self.seen["calls"] += 1
        self.seen[f"{at.operation.name} {'returns' if error is None else type(error).__name__}"] += 1
        if not at.invalid:
            decision = decision_of(at)
            self.seen[f"{decision.effect} {decision.code}"] += 1

    def count(self) -> int:
        """Return the next number."""
        self._count += 1
        return self._count

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self._trace.append(f"{self.seen['steps']:4} {line}")


def simulate(seed: int) -> Counter[str]:
    """Run once, and return what happened how often.

    Raises:
        ViolationError: If the guard broke a promise.
    """
    with pytest.MonkeyPatch.context() as patch:
        world = World(seed, patch)
        world.run()
    return world.seen
