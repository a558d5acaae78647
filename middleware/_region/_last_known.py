"""Reads while the pin registry does not answer: they may go where the last pin said, if the policy lets them.

A move purges a session at its source before anybody can write to it anywhere else; it purges the session's own
record first, and writes it last. So a record that is still there is the record as it is, and a list is whole if
the session's own record is still there after it. What is not found may have been moved: that is no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.contract import IN_SESSION
from storescope.errors import ResidencyError
from storescope.middleware._region._pins._pin import PinKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import Call, Step
    from storescope.contract import Operation
    from storescope.middleware._region._members import Member
    from storescope.middleware._region._pins._lease import Lease
    from storescope.middleware._region._pins._pin import Pin
    from storescope.middleware._region._pins._registry import PinRegistry


class LastKnown:
    """Reads by pins as this process knew them last."""

    def __init__(self, registry: PinRegistry, follow: Callable[[Call, Pin, str], Member]) -> None:
        """Make it.

        Args:
            registry: The registry that does not answer.
            follow: Returns where a pin says to go, or denies.
        """
        self._leases = registry.leases
        self._claims = registry.claims
        self._follow = follow

    def __call__(self, read: Step, operation: Operation) -> Step:
        """Return a step that reads by the last pin where `read` is denied because the registry does not answer."""
        find, name = self._finder(operation), operation.name

        async def step(call: Call) -> Any:
            try:
                return await read(call)
            except ResidencyError as error:
                lease = find(call) if error.decision.code == "pins_unreachable" else None
                if lease is None:
                    raise
                denied = error
            return await self._read(call, lease, name, denied)

        return step

    def _finder(self, operation: Operation) -> Callable[[Call], Lease | None]:
        """Return what finds the last lease that a call could have been made under."""
        last, entity = self._leases.last, operation.entity
        if entity not in IN_SESSION:
            return lambda call: last(PinKey(entity, call.params["id"]))
        if operation.verb == "listBySession":
            return lambda call: last(PinKey("session", call.params["session_id"]))
        return lambda call: last(session) if (session := self._session_of(call)) else None

    def _session_of(self, call: Call) -> PinKey | None:
        return self._claims.last(PinKey(call.operation.entity, call.params["id"]))

    async def _read(self, call: Call, lease: Lease, name: str, denied: ResidencyError) -> Any:
        member = self._follow(call, lease.pin, name)
        if not member.memory.reads_by_last_pin(member.memory.ask(name, call)):
            call.decision = denied.decision
            raise denied
        result = await member.steps[name](call)
        if result is None or not await _is_whole(member, call, lease.key, result):
            raise member.enforcer.denial(call, "pins_unreachable")
        decision: Any = call.decision  # the guard's own, or there would be no result
        call.decision = member.memory.by_last_pin(decision)
        return result


async def _is_whole(member: Member, call: Call, session: PinKey, result: Any) -> bool:
    """Return whether a list was whole: the session's own record is still there."""
    if call.operation.verb != "listBySession":
        return True
    if not result or "session.get" not in member.steps:
        return False
    return await member.read("session", session.id, call) is not None
