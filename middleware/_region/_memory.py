"""Remembers decisions, so that a call whose facts were seen costs a look-up, and ends them when they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from storescope.middleware._region._engine import Question, by_last_pin, decide, filtered, object_to, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call
    from storescope.middleware._region._decision import Decision
    from storescope.middleware._region._policy import ResidencyPolicy

# Decisions are remembered per set of facts; past this many they are forgotten together and made anew.
_MOST_REMEMBERED = 65_536


class PolicySource(Protocol):
    """Where the policy in force is found: a fixed one, or a file that is read again when it changes."""

    @property
    def current(self) -> ResidencyPolicy:
        """The policy in force."""
        ...


class _Seen(NamedTuple):
    """What was decided by one policy. A reload replaces it whole, so that no decision outlives its policy."""

    policy: ResidencyPolicy
    decisions: dict[tuple[str, str | None, str | None], Decision]
    objections: dict[tuple[Decision, str], Decision]


class Memory:
    """The decisions about one backend."""

    def __init__(self, source: PolicySource, backend: BackendInfo, caller_region: str | None, labels: str) -> None:
        self.backend = backend
        self._source = source
        self._caller_region = caller_region
        self._labels = labels
        self._seen = _Seen(source.current, {}, {})
        self._clock = Clock()

    def opener(self, operation: str) -> Callable[[Call], None]:
        """Return what decides about calls of one operation when they are opened."""

        def open_call(call: Call) -> None:
            call.decision = self.ask(operation, call)

        return open_call

    def ask(self, operation: str, call: Call) -> Decision:
        """Return the decision about a call, by the policy in force now."""
        policy, decisions, _ = self._current()
        context = call.context
        # Only exceptions tell one operation from another, and only they and monitoring end with time.
        key = (operation if policy.exceptions else "", context.tenant, context.region)
        decision = decisions.get(key)
        if decision is None or self._has_ended(decision):
            question = Question(
                operation, context.tenant, self._caller_region, context.region, self.backend, self._labels
            )
            decision = decide(policy, question, self._clock.now())
            if len(decisions) >= _MOST_REMEMBERED:
                decisions.clear()
            decisions[key] = decision
        return decision

    def still_holds(self, decision: Decision) -> bool:
        """Return whether a decision that was made a moment ago is still that of the policy in force."""
        return decision.policy == self._source.current.digest and not self._has_ended(decision)

    def object_to(self, decision: Decision, code: str) -> Decision:
        """Return what becomes of a decision when a record's label is found at fault."""
        policy, _, objections = self._current()
        objection = objections.get((decision, code))
        if objection is None or self._has_ended(objection):
            objection = object_to(policy, decision, code, self._clock.now())
            self._remember(objections, (decision, code), objection)
        return objection

    def refused(self, decision: Decision, code: str) -> Decision:
        """Return the decision that denies for the reason `code`, whatever is monitored."""
        _, _, objections = self._current()
        key = (decision, f"refused {code}")
        known = objections.get(key)
        if known is None:
            known = refused(decision, code)
            self._remember(objections, key, known)
        return known

    def filtered(self, decision: Decision, code: str) -> Decision:
        """Return the decision of a list from which rows were left out."""
        _, _, objections = self._current()
        key = (decision, f"filtered {code}")
        known = objections.get(key)
        if known is None:
            known = filtered(decision, code)
            self._remember(objections, key, known)
        return known

    def reads_by_last_pin(self, decision: Decision) -> bool:
        """Return whether reads may go by the last pin that is known while the registry does not answer."""
        rule = self._source.current.rules.get(decision.rule or "")
        return rule is not None and rule.pins_unreachable == "read_pinned"

    def by_last_pin(self, decision: Decision) -> Decision:
        """Return the decision of a read that went by the last pin that was known."""
        _, _, objections = self._current()
        key = (decision, "last pin")
        known = objections.get(key)
        if known is None:
            known = by_last_pin(decision)
            self._remember(objections, key, known)
        return known

    def _remember(
        self, objections: dict[tuple[Decision, str], Decision], key: tuple[Decision, str], decision: Decision
    ) -> None:
        if len(objections) >= _MOST_REMEMBERED:
            objections.clear()
        objections[key] = decision

    def _current(self) -> _Seen:
        seen, policy = self._seen, self._source.current
        if seen.policy is not policy:
            seen = self._seen = _Seen(policy, {}, {})
        return seen

    def _has_ended(self, decision: Decision) -> bool:
        return decision.expires is not None and self._clock.now() >= decision.expires


class Clock:
    """The time by which exceptions end. It never goes back, and a wall clock that is set back does not slow it."""

    def __init__(self) -> None:
        self._begun = self._latest = time.time()
        self._begun_monotonic = time.monotonic()

    def now(self) -> float:
        """Return the latest of what the wall clock says, what it said, and what it would say by now."""
        elapsed = self._begun + time.monotonic() - self._begun_monotonic
        self._latest = max(self._latest, time.time(), elapsed)
        return self._latest
