"""The guard's steps over records that carry labels: add one on every write, check and strip it on every read.

A write looks first at the record that it would replace or change, so that nothing is taken from another tenant.
After each look the call is held to the policy anew: it may have changed meanwhile.
An update names the label only where it names the session: the two change together or not at all, whatever else is
written meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.call import Call
from storescope.contract import IN_SESSION, OPERATIONS, Operation
from storescope.errors import PolicyError, RecordNotFoundError
from storescope.middleware._region._labels import FIELD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from storescope.call import BackendInfo, Step
    from storescope.middleware._region._enforcer import Enforcer
    from storescope.middleware._region._labels import Labels

_MOST_REMEMBERED = 65_536


class LabelledMap:
    """The guard of one map whose records carry labels."""

    def __init__(
        self, enforcer: Enforcer, labels: Labels, steps: Mapping[str, Step], *, filter_lists: bool
    ) -> None:
        """Make it.

        Raises:
            PolicyError: If the map can write what it cannot read: the guard would have to write blindly.
        """
        self._enforcer = enforcer
        self._labels = labels
        self._steps = steps
        self._filter = filter_lists
        self._region = enforcer.backend.region
        self._sessions: set[tuple[str | None, str]] = set()
        for name in steps:
            if OPERATIONS[name].writes and _get_of(OPERATIONS[name].entity) not in steps:
                raise PolicyError(
                    f"region_guard: with labels, {name} needs {_get_of(OPERATIONS[name].entity)} beside it: "
                    "the guard looks before it writes"
                )
        self._session = self._looker("session") if _get_of("session") in steps else None

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return the step around one operation."""
        del backend
        make: Callable[[Step, Operation], Step] = getattr(self, f"_{operation.verb}")
        return make(next_step, operation)

    def _get(self, next_step: Step, operation: Operation) -> Step:
        admit, entity = self._enforcer.admit, operation.entity

        async def step(call: Call) -> Any:
            admit(call)
            return self._reveal(call, entity, call.record_id, await next_step(call))

        return step

    def _set(self, next_step: Step, operation: Operation) -> Step:
        admit, look, entity = self._enforcer.admit, self._looker(operation.entity), operation.entity
        in_session = entity in IN_SESSION

        async def step(call: Call) -> Any:
            admit(call)
            given = call.params
            record = self._labelled(call, entity, given["value"])
            await look(call, given["id"])
            if in_session:
                await self._look_at_session(call, record["sessionId"])
            call.params = {"id": given["id"], "value": record}
            try:
                return await next_step(call)
            finally:
                call.params = given  # which the layers outside go on seeing

        return step

    def _update(self, next_step: Step, operation: Operation) -> Step:
        admit, look, entity = self._enforcer.admit, self._looker(operation.entity), operation.entity
        in_session = entity in IN_SESSION

        async def step(call: Call) -> Any:
            admit(call)
            given = call.params
            updates = _own(given["updates"])
            is_right = await look(call, given["id"])
            if is_right is None:  # what is put there from now on was not looked at
                raise RecordNotFoundError(entity, given["id"])
            if in_session and "sessionId" in updates:
                await self._look_at_session(call, updates["sessionId"])
                if is_right:
                    updates = self._labelled(call, entity, updates)
            call.params = {"id": given["id"], "updates": updates}
            try:
                record = await next_step(call)
            finally:
                call.params = given
            return self._reveal(call, entity, call.record_id, record)

        return step

    def _listBySession(self, next_step: Step, operation: Operation) -> Step:  # noqa: N802 (the contract's verb)
        admit, entity = self._enforcer.admit, operation.entity

        async def step(call: Call) -> Any:
            admit(call)
            rows = await next_step(call)
            if not isinstance(rows, list):  # no list at all: nothing of it can be checked
                self._enforcer.object_to(call, "label_missing")
                return rows
            kept = []
            for row in rows:
                code = self._fault_in_list(call, entity, row)
                if code is None or not self._enforcer.object_to(call, code, leave_out=self._filter):
                    kept.append(_stripped(row))
            return kept

        return step

    def _fault_in_list(self, call: Call, entity: str, row: Any) -> str | None:
        code = self._labels.fault(entity, None, row, tenant=call.context.tenant, region=self._region)
        if code is None and row.get("sessionId") != call.session_id:
            return "label_session_mismatch"
        return code

    def _reveal(self, call: Call, entity: str, id_: str | None, record: Any) -> Any:
        """Return a record without its label, if the label is right."""
        if record is None:
            return None
        code = self._labels.fault(entity, id_, record, tenant=call.context.tenant, region=self._region)
        if code is not None:
            self._enforcer.object_to(call, code)
        return _stripped(record)

    def _looker(self, entity: str) -> Callable[[Call, str], Awaitable[bool | None]]:
        """Return what holds the record that is there to its label.

        It says True if the label is right, False if it is wrong and the policy only monitors, None if no record is
        there.
        """
        operation = OPERATIONS[_get_of(entity)]
        get, region, fault = self._steps[operation.name], self._region, self._labels.fault
        admit, object_to = self._enforcer.admit, self._enforcer.object_to

        async def look(call: Call, id_: str) -> bool | None:
            asked = Call(operation, {"id": id_}, call.context)
            asked.made_for = call
            asked.record_id, asked.decision, asked.lease = id_, call.decision, call.lease
            record = await get(asked)
            code = None
            if record is not None:
                code = fault(entity, id_, record, tenant=call.context.tenant, region=region)
            if code is not None:
                object_to(call, code)
            else:
                admit(call)  # it waited
            return None if record is None else code is None

        return look

    async def _look_at_session(self, call: Call, session: str) -> None:
        """Hold the session that a message or part goes to to its label, once for each tenant and session."""
        key = (call.context.tenant, session)
        if key in self._sessions or self._session is None or not await self._session(call, session):
            return
        if len(self._sessions) >= _MOST_REMEMBERED:
            self._sessions.clear()
        self._sessions.add(key)

    def _labelled(self, call: Call, entity: str, record: dict[str, Any]) -> dict[str, Any]:
        """Return a copy with its label; without, if monitoring lets a call through that names no tenant."""
        tenant = call.context.tenant
        if not tenant or self._region is None:
            return _own(record)
        label = self._labels.make(entity, call.params["id"], record, tenant=tenant, region=self._region)
        return {**record, FIELD: label}


def _get_of(entity: str) -> str:
    return f"{entity}.get"


def _own(record: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without the reserved field: the caller may change its own record while the call waits."""
    return {name: value for name, value in record.items() if name != FIELD}


def _stripped(record: Any) -> Any:
    """Return the record without its label: a copy, since a user's map may hand out what it keeps."""
    if not isinstance(record, dict) or FIELD not in record:
        return record
    stripped = dict(record)
    del stripped[FIELD]
    return stripped
