"""Enforces decisions about one backend: lets a call go on, or raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.errors import PolicyError, ResidencyError
from storescope.middleware._region._decision import Decision

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from storescope.call import BackendInfo, Call, Step
    from storescope.contract import Operation
    from storescope.middleware._region._memory import Memory


_PASSING = frozenset({"pins_unreachable"})  # codes of what may be over when the call is made again


class Enforcer:
    """What the guard's steps share.

    Attributes:
        backend: The backend, as the guard knows it.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.backend: BackendInfo = memory.backend

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that lets no denied call reach the next one; it looks at no record."""
        del operation, backend
        admit = self.admit

        def step(call: Call) -> Awaitable[Any]:
            admit(call)
            return next_step(call)

        return step

    def admit(self, call: Call) -> None:
        """Let a call go on to the backend; asked again after every wait, right before the next contact.

        It was decided when it was opened. If it waited since then, for the disk of the audit log or for a look at
        a record, a tightened policy or an exception's end counts all the same.

        Raises:
            ResidencyError: If it is denied.
        """
        decision: Any = call.decision
        if not isinstance(decision, Decision):
            raise call.refusal or PolicyError(
                f"{call.operation.name}: no residency decision was made, so the call is denied"
            )
        if not self._memory.still_holds(decision):
            decision = call.decision = self._decide_anew(call, decision)
        if call.refusal is not None:  # a layer inside might answer it
            raise call.refusal
        if not decision.allowed:
            raise _denial(call, decision)
        if call.lease is not None:
            call.lease.hold_good()

    def object_to(self, call: Call, code: str, *, leave_out: bool = False) -> bool:
        """Deny a call because of a record's label, unless the policy only monitors.

        Args:
            call: The call.
            code: What is wrong with the label.
            leave_out: Whether the record is left out of what is returned, instead of the call being denied.

        Returns:
            Whether the record is to be left out.

        Raises:
            ResidencyError: If the call is denied.
        """
        decision = self._in_force(call)
        objection = self._memory.object_to(decision, code) if decision.allowed else decision
        if leave_out and decision.allowed and not objection.allowed:
            call.decision = self._memory.filtered(decision, code)
            return True
        call.decision = objection
        if not objection.allowed:
            raise _denial(call, objection)
        return False

    def denial(self, call: Call, code: str) -> ResidencyError:
        """Return the error that denies a call whatever is monitored: there is nothing to let it through to."""
        call.decision = self._memory.refused(self._in_force(call), code)
        error = _denial(call, call.decision)
        error.retryable = code in _PASSING
        return error

    def refusal(self, call: Call) -> ResidencyError:
        """Return the error that denies a call which no backend may have."""
        return _denial(call, self._in_force(call))

    def _in_force(self, call: Call) -> Decision:
        """Return the decision about a call that was admitted, and perhaps waited since then."""
        decision: Any = call.decision
        return decision if self._memory.still_holds(decision) else self._decide_anew(call, decision)

    def _decide_anew(self, call: Call, before: Decision) -> Decision:
        """Decide by the policy in force now. A label that was found at fault stays so, whatever else changes."""
        decision = self._memory.ask(call.operation.name, call)
        if decision.allowed and before.is_objection:
            return self._memory.object_to(decision, before.code)
        return decision


def _denial(call: Call, decision: Decision) -> ResidencyError:
    return ResidencyError(f"{call.operation.name}: {decision.explain()}", decision)
