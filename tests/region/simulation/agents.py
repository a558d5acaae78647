"""Agents that make all fifteen operations on a few shared ids, from several regions and for several tenants."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS, CallContext, InvalidRecordError, RecordNotFoundError, ResidencyError, Store
from tests.region.policies import EU, EU_2, US
from tests.region.simulation.attempts import FIELD, IN_SESSION, Attempt
from tests.region.simulation.policies import NOWHERE, TENANTS
from tests.region.simulation.scheduler import Task, pause
from tests.region.simulation.storage import FaultError

if TYPE_CHECKING:
    from storescope import Operation
    from tests.region.simulation.attempts import Process
    from tests.region.simulation.world import World

IDS = ("a", "b", "c")  # few, and the same for every entity, so that calls meet
OFTEN = ("session.set", "message.set", "message.update", "message.listBySession", "part.listBySession")
WEIGHTS = [2 if name in OFTEN else 1 for name in OPERATIONS]
CALLS = 12
EXPECTED = (ResidencyError, InvalidRecordError, RecordNotFoundError, FaultError, CancelledError)


class Agent:
    """One agent of a tenant.

    Attributes:
        attempt: The call that it waits for; None if it waits for none.
        task: What the scheduler steps.
    """

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self._tenant = world.chance.choices([*TENANTS, None, ""], [9, 1.5, 6, 0.6, 0.5, 0.2])[0]
        self.attempt: Attempt | None = None
        self.task = Task(self._run())

    async def _run(self) -> None:
        for _ in range(CALLS):
            await pause("rests")
            at = self.attempt = self._next()
            self._world.begin(at)
            await self._call(at)
            self.attempt = None

    async def _call(self, at: Attempt) -> None:
        context = CallContext(tenant=at.tenant, region=at.region)
        try:
            await Store(at.operation.name, at.params, context).on(at.process.handlers)
        except EXPECTED as error:
            self._world.note(f"{at} ends: {type(error).__name__}")
        else:
            self._world.note(f"{at} returns")

    def _next(self) -> Attempt:
        """Return the next call: often on what somebody else is just busy with."""
        chance, busy = self._world.chance, self._world.busy()
        names, weights = list(OPERATIONS), WEIGHTS
        process = chance.choice(self._world.processes)
        id_, session = self._likely(), self._likely()
        if busy and chance.random() < 0.4:
            other = chance.choice(busy)
            process, session = other.process, other.session or session
            if chance.random() < 0.6:
                id_ = other.params.get("id") or id_
                names = [name for name in OPERATIONS if name.startswith(other.operation.entity)]
                weights = [1] * len(names)
        operation = OPERATIONS[chance.choices(names, weights)[0]]
        region = chance.choices([None, EU, EU_2, US, NOWHERE], [3, 8, 1, 5, 0.7])[0]
        return self._attempt(process, operation, region, (id_, session))

    def _likely(self) -> str:
        """Return an id: more often than not one that the tenant has for itself, as tenants mostly do."""
        own = {"acme": "a", "globex": "b"}.get(self._tenant or "", "c")
        return own if self._world.chance.random() < 0.6 else self._world.chance.choice(IDS)

    def _attempt(
        self, process: Process, operation: Operation, region: str | None, ids: tuple[str, str]
    ) -> Attempt:
        chance, number = self._world.chance, self._world.count()
        params = self._params(operation, *ids, number)
        at = Attempt(number, process, operation, params, self._tenant, region)
        if chance.random() < 0.04:
            _spoil(at, chance.randrange(2))
        return at

    def _params(self, operation: Operation, id_: str, session: str, number: int) -> dict[str, Any]:
        if operation.verb == "listBySession":
            return {"session_id": session}
        if operation.verb == "get":
            return {"id": id_}
        record: dict[str, Any] = {"text": f"{self._tenant} {number}"}
        if self._world.chance.random() < 0.5:
            record["id"] = id_
        in_session = operation.entity in IN_SESSION
        if (operation.verb == "set" and in_session) or self._world.chance.random() < 0.4 * (0.3 + in_session):
            record["sessionId"] = session
        return {"id": id_, operation.params[1]: record}


def _spoil(at: Attempt, how: int) -> None:
    """Make a call that must be refused."""
    at.invalid = True
    if at.record is None:
        at.params[at.operation.params[0]] = ""
    elif how:
        at.record[FIELD] = {"region": at.process.region, "tenant": at.tenant}
        at.keep_state()
    else:
        at.record["id"] = "another"
        at.keep_state()
