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
        """Let a call go on to the backend.

        It was decided when it was opened. If it waited since then, for the disk of the audit log for example, a
        tightened policy or an exception's end counts all the same.

        Raises:
            ResidencyError: If it is denied.
        """
        decision: Any = call.decision
        if not isinstance(decision, Decision):
            raise call.refusal or PolicyError(
                f"{call.operation.name}: no residency decision was made, so the call is denied"
            )
        if not self._memory.still_holds(decision):
            decision = call.decision = self._memory.ask(call.operation.name, call)
        if call.refusal is not None:  # a layer inside might answer it
            raise call.refusal
        if not decision.allowed:
            raise _denial(call, decision)

    def object_to(self, call: Call, code: str) -> None:
        """Deny a call because of a record's label, unless the policy only monitors.

        Raises:
            ResidencyError: If it is denied.
        """
        decision = call.decision = self._memory.object_to(_decision_of(call), code)
        if not decision.allowed:
            raise _denial(call, decision)

    def note_filtered(self, call: Call, code: str) -> None:
        """Note that rows were left out of a list."""
        call.decision = self._memory.filtered(_decision_of(call), code)


def _decision_of(call: Call) -> Decision:
    decision: Any = call.decision
    return decision  # type: ignore[no-any-return] # `admit` made sure of it


def _denial(call: Call, decision: Decision) -> ResidencyError:
    return ResidencyError(f"{call.operation.name}: {decision.explain()}", decision)
