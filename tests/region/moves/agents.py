"""Agents: each makes its calls one after the other, and shows the oracle what it wrote and read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import BackendError, RecordNotFoundError, ResidencyError, call_context
from tests.region.moves.machine import running
from tests.region.moves.plan import OLD, RECORDS

if TYPE_CHECKING:
    from collections import deque

    from storescope import Handlers
    from storescope.middleware._region._pins._registry import PinRegistry
    from tests.region.moves.machine import Machine
    from tests.region.moves.oracle import Key, Write
    from tests.region.moves.plan import Act
    from tests.region.moves.world import World


_BACK_OFF = 0.5  # seconds that an agent waits after a failure


class Process(NamedTuple):
    """A process with its router."""

    machine: Machine
    registry: PinRegistry
    handlers: Handlers


class Agent:
    """One agent in one process."""

    def __init__(self, world: World, process: Process, acts: deque[Act]) -> None:
        self._world = world
        self._process = process
        self._acts = acts

    async def run(self) -> None:
        """Make the calls that are left."""
        while self._acts:
            act = self._acts.popleft()
            await asyncio.sleep(act.pause)
            with self._world.judging():
                if await self.call(act) == "may be tried again":
                    await asyncio.sleep(_BACK_OFF)

    async def call(self, act: Act) -> str:
        """Make one call, and return how it ended."""
        running.set(self._process.machine)
        act = self._sensible(act)
        entity, verb = act.operation.split(".")
        key: Key = (entity, act.record if entity in {"message", "part"} else act.session)
        write, params = self._params(act, key, verb)
        begun, name, world = self._world.now, self._process.machine.name, self._world
        world.note(f"{name} calls {act.operation} {params} for {act.tenant}")
        try:
            with call_context(tenant=act.tenant, region=act.caller):
                result = await self._process.handlers[act.operation](**params)
        except (ResidencyError, BackendError, RecordNotFoundError) as error:
            world.note(f"{name} {act.operation} {key[1]}: {error!r}")
            if write is not None:
                write.ended = world.now
            return self._failed(key, begun, error)
        world.note(f"{name} {act.operation} {key[1]}: {result}")
        world.seen[act.operation] += 1
        if write is not None:
            write.ended, write.is_acked = world.now, True
        self._returned(act, key, result, begun)
        return "returns"

    def _sensible(self, act: Act) -> Act:
        """Return the call as it is made: what was not written yet is set, and the old record only updated."""
        entity, verb = act.operation.split(".")
        oracle = self._world.oracle
        if act.record == OLD:
            if entity == "message" and ("message", OLD) in oracle.writes:
                return act._replace(operation="message.update" if verb == "set" else act.operation, moves=False)
            act = act._replace(record=RECORDS[0])
        key = (entity, act.record if entity == "message" else act.session)
        is_new = verb == "update" and not oracle.acked(key, self._world.now)
        return act._replace(operation=f"{entity}.set") if is_new else act

    def _params(self, act: Act, key: Key, verb: str) -> tuple[Write | None, dict[str, Any]]:
        if verb == "listBySession":
            return None, {"session_id": act.session}
        if verb == "get":
            return None, {"id": key[1]}
        in_session = key[0] in {"message", "part"}
        names = in_session and (verb == "set" or act.moves)
        write = self._world.new_write(act.tenant, act.session if names else None, is_merge=verb == "update")
        self._world.oracle.wrote(key, write)
        session = {"sessionId": act.session} if names else {}
        if write.is_merge:
            return write, {"id": key[1], "updates": {f"u{write.number}": 1, **session}}
        return write, {"id": key[1], "value": {"n": write.number, "by": act.tenant, "me": key[1], **session}}

    def _failed(self, key: Key, begun: float, error: Exception) -> str:
        if isinstance(error, RecordNotFoundError):
            self._world.oracle.missed(key, begun)
            return "misses"
        return "may be tried again" if getattr(error, "retryable", False) else "fails"

    def _returned(self, act: Act, key: Key, result: Any, begun: float) -> None:
        oracle, now = self._world.oracle, self._world.now
        if act.operation.endswith(".listBySession"):
            oracle.listed(key[0], act.session, act.tenant, result, begun, now)
        elif result is not None:
            oracle.read(key, act.tenant, result, begun, now)
        elif act.operation.endswith(".get"):
            oracle.missed(key, begun)
