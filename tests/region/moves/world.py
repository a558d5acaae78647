"""One run: processes with agents, movers, and all that goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from storescope import BackendError, RecordNotFoundError, ResidencyError, call_context, current_context
from storescope.backends._kv._memory import MemoryKv
from storescope.middleware import ResidencyPolicy, route_by_region
from storescope.middleware._region._labels import Labels
from storescope.middleware._region._moving._move import Mover, MoveRefusedError
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._pin import Pin, PinKey
from storescope.middleware._region._pins._registry import PinRegistry
from storescope.middleware._region._pins._timing import Timing
from tests.region.moves.loop import run
from tests.region.moves.machine import SETTLE, Machine
from tests.region.moves.oracle import Oracle, ViolationError, Write, demand, may_lie
from tests.region.moves.plan import EU, POLICIES, PROCESSES, RECORDS, SESSIONS, TENANTS, US, Act, Event, Plan
from tests.region.moves.shop import Registry, Shop, Store, at_once

if TYPE_CHECKING:
    from storescope import Handlers

LEASE = 3.0


def policy_of(number: int) -> ResidencyPolicy:
    """Return one of the policies."""
    rules = {
        tenant: {"store": [region[4:] for region in where], "access": ["eu-west-1", "us-east-1"], "home": home}
        for tenant, (where, home) in POLICIES[number].items()
    }
    return ResidencyPolicy.from_dict(
        {
            "schema": "residency/1",
            "version": str(number),
            "mode": "enforce",
            "min_confidence": "declared",
            "regions": {"eu-west-1": [EU], "us-east-1": [US]},
            "tenants": {tenant: tenant for tenant in TENANTS},
            "rules": rules,
        }
    )


@dataclass(slots=True)
class InForce:
    """The policy in force."""

    number: int
    current: ResidencyPolicy


@dataclass(slots=True)
class Process:
    """A process with its router."""

    machine: Machine
    registry: PinRegistry
    handlers: Handlers
    tasks: list[asyncio.Task[None]]


class World:
    """All that is simulated."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = Random(plan.seed)
        self.policy = InForce(0, policy_of(0))
        self.ever = {0}
        self.engine = MemoryKv()
        self.stores = {region: Store(region) for region in (EU, US)}
        self.oracle = Oracle()
        self.trace: list[str] = []
        self.rogue: set[str] = set()
        self.movers: list[Machine] = []
        self.violation: ViolationError | None = None
        self.calls = 0
        self.moved = 0
        self._count = 0

    async def run(self) -> None:
        """Run the plan, let everything come to rest, and judge what is left."""
        self.processes = [self._process(f"process {number}") for number in range(PROCESSES)]
        acts: list[list[Act]] = [[] for _ in range(PROCESSES * 2)]
        for number, act in enumerate(self.plan.acts):
            acts[act.process * 2 + number % 2].append(act)
        for number, own in enumerate(acts):
            process = self.processes[number // 2]
            process.tasks.append(asyncio.create_task(self._agent(process, own)))
        events = [asyncio.create_task(self._event(event)) for event in self.plan.events]
        agents = [task for process in self.processes for task in process.tasks]
        await asyncio.wait([*agents, *events], timeout=120)
        self._raise()
        await self._come_to_rest()
        self._raise()

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:8.3f} {line}")

    @property
    def now(self) -> float:
        """The simulated time."""
        return asyncio.get_running_loop().time()

    def _raise(self) -> None:
        if self.violation is not None:
            raise self.violation

    def _machine(self, name: str, fault_rate: float | None = None) -> Machine:
        rate = self.plan.fault_rate if fault_rate is None else fault_rate
        return Machine(name, self.chance, rate)

    def _registry(self, machine: Machine) -> PinRegistry:
        timing = Timing(lease=LEASE, settle=SETTLE, wait=3.0, idle=5.0, clock=machine.clock)
        return PinRegistry(Registry(self.engine, machine), timing, None)

    def _process(self, name: str, fault_rate: float | None = None) -> Process:
        machine = self._machine(name, fault_rate)
        registry = self._registry(machine)
        shops = {region: Shop(store, machine, self._contacted).handlers for region, store in self.stores.items()}
        return Process(machine, registry, route_by_region(shops, self.policy, pins=registry, caller_region=EU), [])

    def _contacted(self, machine: Machine, store: Store, name: str, params: dict[str, Any]) -> None:
        tenant = current_context().tenant or ""
        self.note(f"{machine.name} {name} {params} in {store.region}")
        if machine not in self.movers or name.endswith(".set"):
            allowed = may_lie(self.policy.number, tenant, store.region)
            self._judge(allowed, f"{machine.name} contacted {store.region} for {tenant}: {name}")

    def _judge(self, holds: bool, what: str) -> None:
        try:
            demand(holds, what)
        except ViolationError as violation:
            self.violation = self.violation or violation
            raise

    async def _agent(self, process: Process, acts: list[Act]) -> None:
        for act in acts:
            await asyncio.sleep(act.pause)
            try:
                await self._call(process, act)
            except ViolationError as violation:
                self.violation = self.violation or violation
                return

    async def _call(self, process: Process, act: Act) -> str:
        entity, verb = act.operation.split(".")
        own = entity in {"session", "sandbox", "setup"}
        id_ = act.session if own else act.record
        key, begun = (entity, id_), self.now
        params: dict[str, Any] = {"session_id": act.session} if verb == "listBySession" else {"id": id_}
        write = None
        if verb in {"set", "update"}:
            verb = self._verb(key, act, verb)
            write, params = self._write(key, act, verb, params)
        name = f"{entity}.{verb}"
        self.note(f"{process.machine.name} calls {name} {params} for {act.tenant}")
        try:
            with call_context(tenant=act.tenant):
                result = await process.handlers[name](**params)
        except (ResidencyError, BackendError) as error:
            self.note(f"{process.machine.name} {name} {id_}: {error!r}")
            if write is not None:
                write.ended = self.now
            return "busy" if isinstance(error, SessionBusyError) else "fails"
        except RecordNotFoundError:
            if write is not None:
                self.oracle.writes[key].remove(write)
            self.oracle.missed(key, begun)
            return "misses"
        self.note(f"{process.machine.name} {name} {id_}: {result}")
        self.calls += 1
        if write is not None:
            write.ended, write.is_acked = self.now, True
        elif verb == "get":
            self.oracle.read(key, act.tenant, result, begun, self.now)
        else:
            self.oracle.listed(entity, act.session, act.tenant, result, begun)
        return "returns"

    def _verb(self, key: tuple[str, str], act: Act, verb: str) -> str:
        """Return what to write with: one session is set once and then updated, all else is only set."""
        merged = key == ("session", "merged")
        if merged:
            return "update" if self.oracle.writes.get(key) else "set"
        return "set"

    def _write(
        self, key: tuple[str, str], act: Act, verb: str, params: dict[str, Any]
    ) -> tuple[Write, dict[str, Any]]:
        self._count += 1
        number, in_session = self._count, key[0] in {"message", "part"}
        write = Write(number, act.tenant, act.session if in_session else None, self.now, verb == "update")
        self.oracle.wrote(key, write)
        if verb == "update":
            return write, {**params, "updates": {f"u{number}": number}}
        value: dict[str, Any] = {"n": number, "by": act.tenant, "me": key[1]}
        if in_session:
            value["sessionId"] = act.session
        return write, {**params, "value": value}

    async def _event(self, event: Event) -> None:
        await asyncio.sleep(event.when)
        self.note(f"event {event}")
        machine = self.processes[event.at].machine
        if event.what == "move":
            await self._move(event.session, self._elsewhere(event))
        elif event.what == "crash mover" and self.movers:
            self.movers[-1].is_dead = True
        elif event.what == "crash":
            machine.is_dead = True
            await asyncio.sleep(0.5)
            for task in self.processes[event.at].tasks:
                task.cancel()
        elif event.what == "unplug":
            machine.unplugged_until = self.now + 2 * LEASE
        elif event.what == "freeze":
            machine.frozen_until = self.now + 2 * LEASE + SETTLE
        elif event.what == "policy":
            number = (event.at + len(event.session)) % len(POLICIES)
            self.policy.number, self.policy.current = number, policy_of(number)
            self.ever.add(number)
        elif event.what == "rogue":
            self._add_rogue(event)

    def _elsewhere(self, event: Event) -> str:
        """Return a region that the session is not in."""
        pin = at_once(self.engine.get(PinKey("session", event.session).pin))
        region = Pin.from_bytes(pin.value).region if pin else event.region
        return US if region == EU else EU

    def _add_rogue(self, event: Event) -> None:
        self.rogue.add(event.session)
        label = {
            "region": event.region,
            "tenant": TENANTS[event.at % 2],
            "session": event.session,
            "id": f"x{event.at}",
        }
        row: dict[str, Any] = {"rogue": 1, "by": "nobody", "me": f"x{event.at}", "sessionId": event.session}
        if event.at:
            label["region"] = EU if event.region == US else US
            row["$residency"] = label
        self.stores[event.region].rows["message", f"x{event.at}"] = row

    def _mover(self, fault_rate: float | None = None) -> Mover:
        machine = self._machine(f"mover {len(self.movers)}", fault_rate)
        self.movers.append(machine)
        sides = {
            region: Side(region, Shop(store, machine, self._contacted)) for region, store in self.stores.items()
        }
        return Mover(self._registry(machine), self.policy, sides, Labels(name_ids=True), lambda _: None)

    async def _move(self, session: str, region: str, fault_rate: float | None = None) -> bool:
        try:
            moved = await asyncio.wait_for(self._mover(fault_rate).move(session, region), 30)
        except (MoveRefusedError, BackendError, ResidencyError, TimeoutError) as error:
            self.note(f"move {session}: {error!r}")
            return False
        except ViolationError as violation:
            self.violation = self.violation or violation
            return False
        self.note(f"moved {session} to {moved.target}")
        self.moved += 1
        return True

    async def _come_to_rest(self) -> None:
        """Finish what was left undone, read everything once more, and look at the stores."""
        for process in self.processes:
            process.machine.is_dead = True
        for machine in self.movers:
            machine.is_dead = True
        await asyncio.sleep(2 * (SETTLE + LEASE))
        for session in SESSIONS:
            while (to := self._unfinished(session)) is not None:
                await self._move(session, to, 0.0)
                demand(self.now < 500, f"the move of {session} cannot be finished")
        last = self._process("last", 0.0)
        for tenant in TENANTS:
            for session in SESSIONS:
                for operation in ("session.get", "message.listBySession", "part.listBySession"):
                    await self._last(last, Act(0, operation, tenant, session, "", 0))
            for record in RECORDS:
                for operation in ("message.get", "part.get"):
                    await self._last(last, Act(0, operation, tenant, "", record, 0))
        self._check_rest()

    def _unfinished(self, session: str) -> str | None:
        """Return where a move that was broken off goes to, or where a session must go that nobody may touch."""
        found = at_once(self.engine.get(PinKey("session", session).pin))
        pin = Pin.from_bytes(found.value) if found else None
        if pin is None or pin.fence is None:
            return None
        if pin.fence.why == "move":
            return str(pin.fence.data["to"])
        return None if may_lie(self.policy.number, pin.tenant, pin.region) else US if pin.region == EU else EU

    async def _last(self, process: Process, act: Act) -> None:
        begun = self.now
        while await self._call(process, act) == "busy":
            demand(self.now < begun + 60, "a session stays busy for ever")

    def _check_rest(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        for region, store in self.stores.items():
            for (entity, id_), row in store.rows.items():
                if "rogue" in row or "by" not in row:
                    continue
                where = seen.setdefault((entity, id_), region)
                demand(where == region, f"{entity} {id_} lies in two regions")
                session = id_ if entity == "session" else row.get("sessionId")
                self._check_place(entity, id_, session, row, region)

    def _check_place(self, entity: str, id_: str, session: Any, row: dict[str, Any], region: str) -> None:
        tenant = row["by"]
        allowed = any(may_lie(number, tenant, region) for number in self.ever)
        demand(allowed, f"{entity} {id_} of {tenant} lies in {region}, where it was never allowed")
        key = PinKey("session", session) if session else PinKey(entity, id_)
        pin = at_once(self.engine.get(key.pin))
        demand(pin is not None, f"{entity} {id_} lies in {region} without a pin")
        assert pin is not None
        found = Pin.from_bytes(pin.value)
        demand(found.fence is None or session in self.rogue, f"the fence of {session} was left up: {found}")
        demand(found.region == region, f"{entity} {id_} lies in {region}, its pin says {found.region}")


def simulate(plan: Plan) -> World:
    """Run a plan.

    Raises:
        ViolationError: If a promise was broken; with the trace.
    """
    world = World(plan)
    try:
        run(world.run())
    except ViolationError as violation:
        raise ViolationError("\n".join([str(violation), *world.trace[-80:]])) from None
    return world
