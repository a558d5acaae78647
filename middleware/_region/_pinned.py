"""Steps that follow pins: find which session a call is about, take a lease on it, and go where it lies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from storescope.contract import IN_SESSION
from storescope.errors import RecordNotFoundError
from storescope.middleware._region._last_known import LastKnown
from storescope.middleware._region._leasing import Leasing
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._names import name_checker
from storescope.middleware._region._pins._pin import PinKey
from storescope.middleware._region._rehoming import Rehoming

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation
    from storescope.middleware._region._members import Members
    from storescope.middleware._region._pins._lease import Lease
    from storescope.middleware._region._pins._pin import Pin
    from storescope.middleware._region._pins._registry import PinRegistry

_TRIES = 5  # reads of a claim that changes while its session's lease is taken
_ATTEMPTS = 50  # in the time that a call waits


class PinnedMap:
    """The guard of a map whose sessions are pinned, or of a router's several maps."""

    def __init__(self, registry: PinRegistry, members: Members) -> None:
        self._members = members
        self._leases = registry.leases
        self._claims = registry.claims
        self._clock = registry.timing.clock
        self._wait = registry.timing.wait
        self._settle = registry.timing.settle
        self._rehoming = Rehoming(registry, members)
        leasing = Leasing(registry, members, self._rehoming)
        self._take, self._reach = leasing.take, leasing.reach
        self._follow = members.follow
        self._last_known = LastKnown(registry, self._follow)

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return the step of one operation; it calls the members' steps, of which `next_step` may be one."""
        del next_step, backend
        step = self._step(operation)
        return step if operation.writes else self._last_known(step, operation)

    def _step(self, operation: Operation) -> Step:
        if operation.entity not in IN_SESSION:
            return self._own(operation, operation.entity, "id")
        if operation.verb == "listBySession":
            return self._own(operation, "session", "session_id")
        return self._set(operation) if operation.verb == "set" else self._by_id(operation)

    def opener(self, operation: Operation) -> Callable[[Call], None]:
        """Return what decides about a call when it is opened, from the lease that is there, if one is."""
        members, find, check = self._members, self._finder(operation), name_checker(operation)
        name = operation.name

        def open_call(call: Call) -> None:
            lease = find(call)
            member = None
            if lease is not None and lease.pin.tenant == call.context.tenant:
                member = members.by_region.get(lease.pin.region)
            call.decision = member.memory.ask(name, call) if member is not None else members.opening(name, call)
            check(call)

        return open_call

    def _finder(self, operation: Operation) -> Callable[[Call], Lease | None]:
        """Return what finds the good lease that a call will be made under, if there is one already."""
        good, lease_of, entity = self._leases.good, self._claims.lease_of, operation.entity
        if entity not in IN_SESSION:
            return lambda call: good(PinKey(entity, call.params["id"]))
        if operation.verb in {"get", "update"}:
            return lambda call: lease_of(PinKey(entity, call.params["id"]))
        return lambda call: good(PinKey("session", call.session_id or ""))

    def _own(self, operation: Operation, entity: str, param: str) -> Step:
        """Return a step for a call that names what is pinned."""
        good, under, name, writes = self._leases.good, self._under, operation.name, operation.writes
        admit = self._members.admit

        async def step(call: Call) -> Any:
            key = PinKey(entity, call.params[param])
            admit(call)
            lease = good(key) or await self._take(call, key, name, writes=writes)
            if lease is None:
                return await self._unpinned(call, name)
            return await under(lease, call, name, writes=writes)

        return step

    def _set(self, operation: Operation) -> Step:
        """Return a step for the set of a message or part: it is claimed for the session that it names."""
        entity = operation.entity

        async def attempt(call: Call) -> Any:
            return await self._put_into(call, PinKey(entity, call.params["id"]), call.params["value"]["sessionId"])

        return self._while_busy(attempt)

    async def _put_into(self, call: Call, key: PinKey, session: str) -> Any:
        """Write a message or part into a session: one that it is in already, or another."""
        name, target = call.operation.name, PinKey("session", session)
        lease = self._leases.good(target) or await self._take(call, target, name, writes=True)
        if lease is None:
            return await self._unpinned(call, name)
        if self._claims.lease_of(key) is not lease:
            owner = await self._reach(call, self._claims.claim(key, session))
            if owner != session:
                return await self._rehome(call, key, owner, target)
            if not lease.is_good:
                raise SessionBusyError
            self._claims.remember(key, lease)
        return await self._under(lease, call, name, writes=True)

    def _by_id(self, operation: Operation) -> Step:
        """Return a step for a call that names a message or part: its claim says which session it is in."""
        lease_of, name, entity, writes = self._claims.lease_of, operation.name, operation.entity, operation.writes

        async def attempt(call: Call) -> Any:
            key = PinKey(entity, call.params["id"])
            lease = lease_of(key) or await self._claimed(call, key)
            if lease is None:
                return await (self._heal(call, key) if writes else self._unpinned(call, name))
            session = call.params["updates"].get("sessionId", lease.key.id) if writes else lease.key.id
            if session != lease.key.id:
                return await self._rehome(call, key, lease.key.id, PinKey("session", session))
            return await self._under(lease, call, name, writes=writes)

        return self._while_busy(attempt)

    def _while_busy(self, attempt: Step) -> Step:
        """Return a step that tries again while others put the record, or another of its session, elsewhere.

        Whoever is busy says so before anything is written.
        """
        clock, wait, admit = self._clock, self._wait, self._members.admit

        async def step(call: Call) -> Any:
            admit(call)
            begun = clock()
            while True:
                try:
                    return await attempt(call)
                except SessionBusyError:
                    if clock() - begun >= wait:
                        raise
                await asyncio.sleep(wait / _ATTEMPTS)

        return step

    async def _claimed(self, call: Call, key: PinKey) -> Lease | None:
        """Return a lease on the session that has a message or part; None if nobody claimed it."""
        name, writes = call.operation.name, call.operation.writes
        for _ in range(_TRIES):
            asked = self._clock()
            session = await self._reach(call, self._claims.read(key))
            if session is None:
                return None
            target = PinKey("session", session)
            lease = self._leases.good(target) or await self._take(call, target, name, writes=writes)
            if lease is None:
                return None
            if lease.taken < asked:  # else the claim may have changed before: read it again under the lease
                self._claims.remember(key, lease)
                return lease
        raise SessionBusyError("the record goes from session to session")

    async def _heal(self, call: Call, key: PinKey) -> Any:
        """Claim a record that was there before there were pins, and update it."""
        member = self._members.at_home(call)
        record = await member.read(key.entity, key.id, call)  # through the guard: it may be another tenant's
        if record is None:
            raise RecordNotFoundError(key.entity, key.id)
        return await self._put_into(call, key, record["sessionId"])

    async def _rehome(self, call: Call, key: PinKey, old: str, target: PinKey) -> Any:
        """Put a message or part into another session, while nobody else can reach the one that it is in.

        Somebody may have the new one to himself by then, and wait for the old one. Only one of the two may wait,
        by the order of the sessions' ids: else neither would ever be done.
        """
        name, source_key = call.operation.name, PinKey("session", old)
        if self._leases.good(target) is None:
            await self._take(call, target, name, writes=True)
        held = await self._take(call, source_key, name, writes=True)
        if held is None:
            raise SessionBusyError
        self._follow(call, held.pin, name)  # may it be taken from there?

        async def write(source: Pin, by: str) -> Any:
            lease = self._leases.good(target)
            lease = lease or await self._take(call, target, name, writes=True, waits=target.id > old)
            assert lease is not None, "a write pins"  # noqa: S101
            member = self._follow(call, lease.pin, name)
            if source.region != lease.pin.region and await self._lies(call, key, source.region):
                raise member.enforcer.denial(call, "session_region_mismatch")
            if not lease.is_good or not self._leases.presence.is_known_as(by):  # it waited
                raise SessionBusyError
            return await self._under(lease, call, name, writes=True)

        return await self._rehoming.run(call, key, source_key, target.id, write)

    async def _lies(self, call: Call, key: PinKey, region: str) -> bool:
        member = self._members.by_region.get(region)
        if member is None or not member.memory.ask(call.operation.name, call).allowed:
            return True  # who knows; it is not looked for there
        return await member.look(key.entity, key.id, call) is not None

    async def _under(self, lease: Lease, call: Call, name: str, *, writes: bool) -> Any:
        """Make a call under a good lease. Nothing waits between the look at the lease and `enter`."""
        member = self._follow(call, lease.pin, name)
        lease.enter()
        call.lease = lease
        try:
            result = await member.steps[name](call)
        except BaseException as error:
            member.health.failed(error)
            if writes and getattr(error, "maybe_applied", True):
                # What was sent may yet arrive: nobody may have the session to himself before.
                asyncio.get_running_loop().call_later(self._settle, lease.leave)
            else:
                lease.leave()
            raise
        lease.leave()
        member.health.answered()
        lease.hold_good(wrote=writes)
        return result

    async def _unpinned(self, call: Call, name: str) -> Any:
        """Make a call about what has no pin: a read of what nobody wrote, or a write that is only monitored."""
        member = self._members.at_home(call)
        call.decision = member.memory.ask(name, call)
        if self._members.route:
            call.backend = member.info
        return await member.steps[name](call)
