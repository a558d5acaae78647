"""Judges every contact with a store and every end of a call, by the policy and the time in force at that moment.

The moment is that of the guard's last check: nothing can run between it and the first line of the store's handler.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from storescope import InvalidRecordError, RecordNotFoundError, ResidencyError
from tests.region.simulation import judge
from tests.region.simulation.attempts import FIELD, IN_SESSION, NOT_READ, Contact
from tests.region.simulation.notary import Notary
from tests.region.simulation.storage import FaultError

if TYPE_CHECKING:
    from storescope import Call
    from storescope.middleware import Decision
    from tests.region.simulation.attempts import Attempt
    from tests.region.simulation.clock import SimulatedClock
    from tests.region.simulation.policies import PolicyInForce


class ViolationError(AssertionError):
    """The guard broke a promise."""


def demand(holds: object, promise: str) -> None:
    """Hold the guard to a promise."""
    if not holds:
        raise ViolationError(promise)


class Oracle:
    """Knows the policy as the dict it was made from, and what every record's label should be."""

    def __init__(self, in_force: PolicyInForce, clock: SimulatedClock) -> None:
        self._in_force = in_force
        self._clock = clock
        self._notary = Notary()

    def opened(self, at: Attempt, call: Call) -> None:
        """Judge what observers are told when a call is opened: the audit log's intent is made from it."""
        at.call = call
        if not at.invalid:
            self._check_told(at, self._effect(at))

    def contact(self, at: Attempt | None, operation: str, params: dict[str, Any]) -> Contact:
        """Judge a contact with the store, which is about to begin."""
        if at is None or at.call is None:
            raise ViolationError("the store was contacted though nobody called")
        demand(not at.invalid, "the store was contacted with arguments that are refused")
        effect = self._effect(at)
        demand(effect != "deny", "the store was contacted for a call that is denied")
        demand(not at.wrong or self._is_monitored(at), "the guard went on after it had seen a wrong label")
        self._check_told(at, "would_deny" if at.wrong else effect)
        if operation != at.operation.name:
            self._check_look(at, operation, params)
        else:
            demand(at.main is None, "the store was asked twice")
            self._check_params(at, params)
        contact = Contact(operation, params, decision_of(at))
        at.contacts.append(contact)
        return contact

    def applied(self, at: Attempt, contact: Contact) -> None:
        """Take note of what the store read or wrote: a wrong label that was seen must have consequences."""
        entity, id_, reading = contact.operation.partition(".")[0], contact.params.get("id"), contact.reading
        if not at.process.labels or reading is None or contact.operation.endswith(".set"):
            return
        if isinstance(reading, list):
            at.wrong |= len(self._right_rows(at, reading)) < len(reading)
        elif not self._notary.is_right(at, entity, id_, reading):
            at.wrong = True
        elif contact is not at.main and entity == "session" and at.operation.entity in IN_SESSION:
            at.process.looked_at.add((at.tenant, contact.params["id"]))

    def ended(self, at: Attempt, result: Any, error: BaseException | None) -> None:
        """Judge how a call ended: by what it returned, or by the exception that it raised."""
        if at.call is None:
            raise ViolationError("a call ended that was never opened")
        if at.record is not None:
            demand(at.record == at.states[-1], "the caller's own record was changed")
            demand(at.record is at.call.params[at.operation.params[1]], "outer layers see a record of the guard's")
        if error is None:
            self._check_result(at, result)
        else:
            self._check_error(at, error)

    def _effect(self, at: Attempt) -> str:
        return judge.effect(self._in_force.raw, at, self._now(at))

    def _is_monitored(self, at: Attempt) -> bool:
        return judge.is_monitored(self._in_force.raw, at, self._now(at))

    def _now(self, at: Attempt) -> float:
        return at.process.reader.now()

    def _check_told(self, at: Attempt, effect: str) -> None:
        """Hold what observers are told to what is so at this moment."""
        decision = decision_of(at)
        demand(decision.effect == effect, f"observers are told {decision.effect!r} where it is {effect!r}")
        demand(decision.policy == self._in_force.current.digest, "observers are told another policy's digest")
        self._check_facts(at, decision)

    def _check_facts(self, at: Attempt, decision: Decision) -> None:
        demand(decision.allowed == (decision.effect != "deny"), "observers are told two things")
        facts = {name: fact.value for name, fact in decision.facts.items()}
        demand(facts["tenant"] == at.tenant, "observers are told another tenant")
        demand(facts["call_region"] == at.region, "observers are told another region of the call")
        demand(
            facts["labels"] == ("required" if at.process.labels else "off"), "observers are told wrongly of labels"
        )
        named = judge.exception(self._in_force.raw, at, self._now(at)) if decision.allowed else None
        demand(decision.exception == named, "observers are told another exception than the one that holds")

    def _check_look(self, at: Attempt, operation: str, params: dict[str, Any]) -> None:
        wanted: list[tuple[str, Any]] = []
        if at.process.labels and at.operation.writes:
            wanted.append((f"{at.operation.entity}.get", at.params["id"]))
            if at.operation.entity in IN_SESSION:
                wanted += [("session.get", state.get("sessionId")) for state in at.states]
        demand((operation, params["id"]) in wanted, f"the guard looked where it need not: {operation}")

    def _check_params(self, at: Attempt, params: dict[str, Any]) -> None:
        """Hold what reaches the store to what the caller gave, with the label that is due."""
        if not at.operation.writes or not at.process.labels:
            demand(params == at.params, "the store was given other arguments than the caller's")
            return
        name = at.operation.params[1]
        record, given = params[name], [_bare(state) for state in at.states]
        demand(_bare(record) in given, "the store was given another record than the caller's")
        demand({**params, name: None} == {**at.params, name: None}, "the store was given another id")
        self._check_looked(at, record)
        if self._must_label(at, record):
            demand(self._notary.is_due(at, record), "a record was stored without the label that is due")
        else:
            demand(FIELD not in record, "a label was written where none is due")

    def _check_looked(self, at: Attempt, record: dict[str, Any]) -> None:
        entity = at.operation.entity
        looks = {(look.operation, look.params["id"]): look.reading for look in at.contacts}
        there = looks.get((f"{entity}.get", at.params["id"]), NOT_READ)
        demand(there is not NOT_READ, "a record was written over without a look")
        demand(at.operation.verb == "set" or there is not None, "a record was updated that the guard had not seen")
        if entity in IN_SESSION and "sessionId" in record:
            session = record["sessionId"]
            looked = looks.get(("session.get", session), NOT_READ) is not NOT_READ
            demand(
                looked or (at.tenant, session) in at.process.looked_at,
                "a record was put into a session without a look at it",
            )

    def _must_label(self, at: Attempt, record: dict[str, Any]) -> bool:
        if not at.tenant or at.process.region is None:
            return False
        if at.operation.verb == "set":
            return True
        look = at.contacts[0]
        is_right = self._notary.is_right(at, at.operation.entity, at.params["id"], look.reading)
        return is_right and at.operation.entity in IN_SESSION and "sessionId" in record

    def _right_rows(self, at: Attempt, rows: list[Any]) -> list[Any]:
        entity, session = at.operation.entity, at.params["session_id"]
        return [row for row in rows if self._notary.is_right(at, entity, None, row, listed=session)]

    def _check_result(self, at: Attempt, result: Any) -> None:
        main, decision = at.main, decision_of(at)
        demand(not at.invalid, "arguments were accepted that should be refused")
        demand(decision.allowed, "a denied call returned")
        if main is None or main.reading is NOT_READ:
            raise ViolationError("a call returned though the store did nothing")
        if not at.process.labels:
            demand(result == main.reading, "something else was returned than the store's answer")
            demand(decision is main.told, "observers are told something new though nothing was looked at")
            return
        rows, reading = self._is_list_of_wrong_rows(at), main.reading
        if rows and at.process.filters and not self._is_monitored(at):
            self._check_told(at, "filtered")
            demand(self._effect(at) != "deny", "a denied call returned")
            reading = self._right_rows(at, reading)
        elif self._main_is_wrong(at):
            demand(self._is_monitored(at), "a record was returned that has a wrong label")
            self._check_told(at, "would_deny")
        else:
            demand(decision is main.told, "observers are told something new though nothing was found")
        shown = [_bare(row) for row in reading] if isinstance(reading, list) else _bare(reading)
        demand(result == shown, "something else was returned than the store's answer without labels")

    def _is_list_of_wrong_rows(self, at: Attempt) -> bool:
        return at.operation.verb == "listBySession" and at.wrong

    def _main_is_wrong(self, at: Attempt) -> bool:
        """Return whether what the call itself read has a wrong label."""
        main = at.main
        if main is None or main.reading is None or main.reading is NOT_READ:
            return False
        if isinstance(main.reading, list):
            return at.wrong
        return not self._notary.is_right(at, at.operation.entity, at.params["id"], main.reading)

    def _check_error(self, at: Attempt, error: BaseException) -> None:
        decision = at.call.decision if at.call is not None else None
        if isinstance(error, ResidencyError):
            demand(error.decision is decision, "the error tells another decision than observers are told")
            is_right = self._effect(at) == "deny" or (at.wrong and not self._is_monitored(at))
            demand(is_right and not at.invalid, f"a call was denied that is allowed: {error}")
            self._check_told(at, "deny")
        elif isinstance(error, InvalidRecordError):
            demand(at.invalid, f"arguments were refused that are sound: {error}")
        elif isinstance(error, CancelledError):
            demand(at.cancelled, "a call was cancelled by nobody")
        elif isinstance(error, RecordNotFoundError):
            looked = at.main is None and bool(at.contacts) and at.contacts[0].reading is None
            missed = at.main is not None and at.main.reading is NOT_READ
            demand(at.operation.verb == "update" and (looked or missed), "a record was missed that is there")
        else:
            demand(isinstance(error, FaultError), f"a call failed: {error!r}")
        if at.contacts and not isinstance(error, ResidencyError):
            demand(decision_of(at).allowed, "observers are told of a denial that did not come")


def decision_of(at: Attempt) -> Decision:
    """Return what observers are told."""
    decision: Any = at.call.decision if at.call is not None else None
    if decision is None:
        raise ViolationError("observers are told nothing")
    return decision  # type: ignore[no-any-return] # the guard's own


def _bare(record: Any) -> Any:
    """Return a record without its label."""
    return {name: value for name, value in record.items() if name != FIELD} if isinstance(record, dict) else record
