"""One run: processes with agents, movers, and all that goes wrong."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from storescope import current_context
from storescope.backends._kv._memory import MemoryKv
from storescope.middleware import route_by_region
from storescope.middleware._region import _health
from storescope.middleware._region._pins._pin import IDENTITY
from storescope.middleware._region._pins._registry import PinRegistry
from storescope.middleware._region._pins._timing import Timing
from tests.region.moves.agents import Agent, Process
from tests.region.moves.loop import SimulatedTime, run
from tests.region.moves.machine import SETTLE, Machine, running
from tests.region.moves.movers import move_as_planned, move_once
from tests.region.moves.oracle import Oracle, ViolationError, Write, demand
from tests.region.moves.plan import PROCESSES
from tests.region.moves.policies import EU, US, InForce, Policy, may_lie, may_touch
from tests.region.moves.rest import come_to_rest
from tests.region.moves.shop import Registry, Shop, Store, at_once
from tests.region.moves.troubles import LEASE, strike

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from storescope.middleware._region._pins._pin import Pin
    from tests.region.moves.plan import Act, Event, Plan

SHOWN = 80  # lines of the trace
_LONGEST = 120  # seconds that agents and movers may take


class World:
    """All that is simulated.

    Attributes:
        plan: What is to happen.
        policy: The policy in force.
        ever: Every policy that ever was.
        engine: What the registry holds.
        stores: The stores, one in each region.
        processes: Those that make calls; one that crashed is replaced.
        rogue: The sessions to which somebody added rows past the guard.
        oracle: Judges what agents read.
        seen: What happened how often.
        trace: What happened, line by line.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.policy = InForce(plan.policies[0])
        self.ever = {plan.policies[0]}
        self.engine = MemoryKv()
        at_once(self.engine.put(IDENTITY, b"simulated"))
        self.stores = {region: Store(region) for region in (EU, US)}
        self._shops = {
            each.region: Shop(each, running.get, self.contacted).handlers() for each in self.stores.values()
        }
        self.processes: list[Process] = []
        self.rogue: set[str] = set()
        self.oracle = Oracle()
        self.seen: Counter[str] = Counter()
        self.trace: list[str] = []
        self._machines: list[Machine] = []
        self._violation: ViolationError | None = None
        self._begun: list[asyncio.Task[Any]] = []
        self._agents: dict[int, list[asyncio.Task[None]]] = {}
        # of two agents in each process
        self._acts: list[list[deque[Act]]] = [[deque(), deque()] for _ in range(PROCESSES)]
        self._ambushes: list[Event] = []
        self._writes = self._movers = 0

    async def run(self) -> None:
        """Run the plan, let everything come to rest, and judge what is left."""
        for number, act in enumerate(self.plan.acts):
            self._acts[act.process][number % 2].append(act)
        for number in range(PROCESSES):
            self.processes.append(self.process(f"process {number}", self.plan.callers[number]))
            self._begin_agents(number)
        for event in self.plan.events:
            self.begin(self._event(event))
        for move in self.plan.moves:
            self.begin(move_as_planned(self, move))
        await self._all_ended()
        with self.judging():
            await come_to_rest(self)
        if self._violation is not None:
            raise self._violation

    @property
    def now(self) -> float:
        """The simulated time."""
        return asyncio.get_running_loop().time()

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:8.3f} {line}")

    @contextmanager
    def judging(self) -> Generator[None]:
        """Keep the first violation, which whoever is judged might swallow; what nobody expects is one too."""
        try:
            yield
        except ViolationError as violation:
            self._violation = self._violation or violation
        except Exception as error:  # whatever it is: it is not what a caller is promised
            self._violation = self._violation or ViolationError(f"it raised {error!r}")

    def new_write(self, tenant: str, session: str | None, *, is_merge: bool) -> Write:
        """Number a write that begins now."""
        self._writes += 1
        return Write(self._writes, tenant, session, self.now, is_merge)

    def begin(self, doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin something that the run waits for."""
        self._begun.append(asyncio.create_task(doing))
        return self._begun[-1]

    def put_in_force(self, policy: Policy) -> None:
        """Put another policy in force."""
        self.policy.replace(policy)
        self.ever.add(policy)

    def process(self, name: str, region: str, fault_rate: float | None = None) -> Process:
        """Start a process."""
        machine = self.machine(name, region, fault_rate)
        registry = self.registry(machine)
        router = route_by_region(self._shops, self.policy, pins=registry, caller_region=region)
        return Process(machine, registry, router)

    def crash(self, number: int) -> None:
        """Kill a process; soon another one takes its place."""
        self.processes[number].machine.is_dead = True
        self.begin(self._replace(number))

    def kill(self, *, processes: bool) -> None:
        """Kill every mover and, if that is wanted, every process."""
        for machine in self._machines:
            machine.is_dead |= processes or machine.region is None

    async def move(self, session: str, region: str, *, is_lucky: bool = False) -> str:
        """Move a session, or try to; return how it ended."""
        return await move_once(self, session, region, is_lucky=is_lucky)

    def next_mover(self) -> int:
        """Return a number that no mover had."""
        self._movers += 1
        return self._movers

    def machine(self, name: str, region: str | None, fault_rate: float | None) -> Machine:
        """Start a machine; without a region it is an operator's."""
        rate = self.plan.fault_rate if fault_rate is None else fault_rate
        self._machines.append(Machine(name, region, self.plan.seed, rate))
        return self._machines[-1]

    def registry(self, machine: Machine) -> PinRegistry:
        """Return the registry as a process of this machine has it open."""
        timing = Timing(lease=LEASE, settle=SETTLE, wait=3.0, idle=5.0, clock=machine.clock)
        return PinRegistry(Registry(self.engine, machine, self._pinning), timing, None)

    def _begin_agents(self, number: int) -> None:
        agents = [Agent(self, self.processes[number], acts) for acts in self._acts[number]]
        self._agents[number] = [self.begin(agent.run()) for agent in agents]

    async def _replace(self, number: int) -> None:
        await asyncio.sleep(0.5)
        for task in self._agents[number]:
            task.cancel()
        name = f"process {number} after {self.now}"
        self.processes[number] = self.process(name, self.plan.callers[number])
        self._begin_agents(number)

    async def _all_ended(self) -> None:
        while self._begun and self.now < _LONGEST:
            ended, _ = await asyncio.wait(self._begun, timeout=_LONGEST - self.now)
            self._begun = [task for task in self._begun if task not in ended]

    async def _event(self, event: Event) -> None:
        await asyncio.sleep(event.when)
        if event.ambush is None:
            strike(self, event.trouble)
        else:
            self._ambushes.append(event)

    def _spring(self) -> None:
        """Let come what waited for a record to go to another session."""
        while self._ambushes:
            event = self._ambushes.pop()
            asyncio.get_running_loop().call_later(event.ambush or 0, strike, self, event.trouble)

    def contacted(self, machine: Machine, store: Store, name: str, params: dict[str, Any]) -> None:
        """Judge a contact with a store. Movers may read where the policy forbids it, to empty it."""
        context = current_context()
        tenant = context.tenant or ""
        self.note(f"{machine.name} {name} {params} in {store.region}")
        says = f"{machine.name} contacted {store.region} for {tenant}: {name}"
        with self.judging():
            if machine.region is not None:
                callers = (machine.region, context.region)
                demand(may_touch(self.policy.table, tenant, store.region, callers), says)
            elif name.endswith(".set"):
                demand(may_lie(self.policy.table, tenant, store.region), says)
            demand("rogue" not in params.get("value", ()), f"{machine.name} gave a rogue row a label")

    def _pinning(self, machine: Machine, after: Pin) -> Callable[[Pin], None]:
        """Look at a pin that is about to be written, and return what judges it, given what it was written over."""
        allowed = may_lie(self.policy.table, after.tenant, after.region)

        def judge(before: Pin) -> None:
            if before.fence is None and after.fence is not None and after.fence.why == "rehome":
                self._spring()
            switched = before.region != after.region
            says = f"{machine.name} made {before} to {after}"
            with self.judging():
                demand(before.tenant == after.tenant, f"{says}: another tenant's")
                demand(after.epoch == before.epoch + switched, f"{says}: the epoch counts the switches")
                demand(allowed or not switched, f"{says}: the policy forbids the region")

        return judge


def simulate(plan: Plan) -> World:
    """Run a plan.

    Raises:
        ViolationError: If a promise was broken; with the trace.
    """
    world = World(plan)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_health, "time", SimulatedTime)
            run(world.run())
    except ViolationError as violation:
        raise ViolationError("\n".join([str(violation), *world.trace[-SHOWN:]])) from None
    return world
