"""The backends that pinned records can lie in, one for each region, each behind its own guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storescope.call import Call
from storescope.context import use_context
from storescope.contract import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope.call import BackendInfo, Step
    from storescope.middleware._region._decision import Decision
    from storescope.middleware._region._enforcer import Enforcer
    from storescope.middleware._region._health import Health
    from storescope.middleware._region._memory import Memory, PolicySource


@dataclass(frozen=True, slots=True)
class Member:
    """One backend.

    Attributes:
        info: What is known of it.
        memory: Decides about it.
        enforcer: Enforces what was decided.
        bare: Its own steps, operation name -> step.
        steps: The guard's steps around them.
        health: Whether it answers, as far as calls have shown.
        labelled: Whether its records carry labels.
    """

    info: BackendInfo
    memory: Memory
    enforcer: Enforcer
    bare: Mapping[str, Step]
    steps: Mapping[str, Step]
    health: Health
    labelled: bool

    async def look(self, entity: str, id: str, call: Call) -> Any:
        """Return a record as it lies there, its label included, on behalf of a call; None if there is none."""
        return await self._get(self.bare, entity, id, call)

    async def read(self, entity: str, id: str, call: Call) -> Any:
        """Return a record as the guard shows it.

        Raises:
            ResidencyError: If it is not the call's to see.
        """
        return await self._get(self.steps, entity, id, call)

    async def hold_to_label(self, entity: str, id: str, call: Call) -> None:
        """Deny a call if a record lies there under a wrong label, or under none; where there are labels.

        Raises:
            ResidencyError: If it is denied.
        """
        if self.labelled and f"{entity}.get" in self.steps:
            await self.read(entity, id, call)

    async def _get(self, steps: Mapping[str, Step], entity: str, id_: str, call: Call) -> Any:
        operation = OPERATIONS[f"{entity}.get"]
        asked = Call(operation, {"id": id_}, call.context)
        asked.made_for, asked.record_id, asked.decision = call, id_, self.memory.ask(call.operation.name, call)
        try:
            with use_context(call.context):
                return await steps[operation.name](asked)
        finally:
            call.decision = asked.decision if steps is self.steps else call.decision


class Members:
    """Chooses among the backends of a router; of a guard without a router there is one.

    Attributes:
        by_region: Region -> member.
        route: Whether a router chooses among them.
        first: The one that was given first.
    """

    def __init__(self, source: PolicySource, members: Mapping[str, Member], *, route: bool) -> None:
        self.by_region = members
        self.route = route
        self._source = source
        self._all = tuple(members.values())
        self.first = self._all[0]

    def opening(self, operation: str, call: Call) -> Decision:
        """Decide about a call of which nobody knows yet where it goes: deny only what every backend would deny."""
        decisions = [member.memory.ask(operation, call) for member in self._in_order(call.context.tenant)]
        return next((decision for decision in decisions if decision.allowed), decisions[0])

    def place(self, operation: str, call: Call) -> Member | None:
        """Return where something new goes; None if no backend is allowed.

        It goes to the rule's home or, while that does not answer, to another place that the rule allows.
        """
        allowed = [
            each for each in self._in_order(call.context.tenant) if each.memory.ask(operation, call).allowed
        ]
        return next((member for member in allowed if member.health.is_good), allowed[0] if allowed else None)

    def _in_order(self, tenant: str | None) -> tuple[Member, ...]:
        """Return the members, the tenant's home first."""
        policy = self._source.current
        rule = policy.tenants.get(tenant or "") or policy.tenants.get("*")
        home = self.by_region.get(rule.home) if rule is not None else None
        if home is None or home is self._all[0]:
            return self._all
        return (home, *(member for member in self._all if member is not home))
