"""Decides by a policy. What is unknown is denied."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from storescope.middleware._region._decision import Decision, Fact
from storescope.middleware._region._policy import CONFIDENCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import BackendInfo, Call
    from storescope.middleware._region._policy import PolicyException, ResidencyPolicy, Rule

# Decisions are remembered per set of facts; past this many they are forgotten together and made anew.
_MOST_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class Question:
    """The facts that one decision is made from.

    Attributes:
        operation: The operation's name.
        tenant: For whom; None if the call does not say.
        caller_region: Where the guard runs; None if it was not told.
        call_region: Where the call says that it comes from.
        backend: The backend that would be contacted.
    """

    operation: str
    tenant: str | None
    caller_region: str | None
    call_region: str | None
    backend: BackendInfo


def decide(policy: ResidencyPolicy, question: Question, now: float) -> Decision:
    """Answer one question by a policy, at the time `now` (seconds since 1970)."""
    rule = _rule_for(policy, question.tenant)
    code, would = _judge(policy, question, rule, None)
    plain = Decision(
        allowed=code == "allowed",
        effect="allow" if code == "allowed" else "deny",
        code=code,
        rule=rule.name if rule else None,
        policy=policy.digest,
        facts=_facts(question),
        would_allow_if=would,
    )
    if plain.allowed:
        return plain
    for exception in rule.exceptions if rule else ():
        if question.operation in exception.operations and now < exception.expires:
            code, _ = _judge(policy, question, rule, exception)
            if code == "allowed":
                facts = {**plain.facts, "exception": Fact(exception.id, "policy")}
                return replace(plain, allowed=True, effect="exception", facts=facts, expires=exception.expires)
    until = rule.monitor_until if rule else policy.monitor_until
    if until is not None and now < until:
        return replace(plain, allowed=True, effect="would_deny", expires=None if until == inf else until)
    return plain


class Memory:
    """Remembers the decisions about one backend, so that a call whose facts were seen costs a look-up."""

    def __init__(self, policy: ResidencyPolicy, backend: BackendInfo, caller_region: str | None) -> None:
        self._policy = policy
        self._backend = backend
        self._caller_region = caller_region
        self._seen: dict[tuple[str, str | None, str | None], Decision] = {}
        self._latest = 0.0

    def opener(self, operation: str) -> Callable[[Call], None]:
        """Return what decides about calls of one operation when they are opened."""
        # Only exceptions tell one operation from another, and only they and monitoring end with time.
        name = operation if self._policy.exceptions else ""
        seen = self._seen

        def open_call(call: Call) -> None:
            context = call.context
            tenant, call_region = context.tenant, context.region
            decision = seen.get((name, tenant, call_region))
            if decision is None or (decision.expires is not None and self._now() >= decision.expires):
                question = Question(operation, tenant, self._caller_region, call_region, self._backend)
                decision = decide(self._policy, question, self._now())
                if len(seen) >= _MOST_REMEMBERED:
                    seen.clear()
                seen[name, tenant, call_region] = decision
            call.decision = decision

        return open_call

    def _now(self) -> float:
        """Return the latest time that was seen: a clock that jumps back revives no exception that has ended."""
        self._latest = max(self._latest, time.time())
        return self._latest


def _rule_for(policy: ResidencyPolicy, tenant: str | None) -> Rule | None:
    if not tenant:
        return None
    return policy.tenants.get(tenant) or policy.tenants.get("*")


def _judge(
    policy: ResidencyPolicy,
    question: Question,
    rule: Rule | None,
    widened_by: PolicyException | None,
) -> tuple[str, str]:
    """Return the code, and what would be allowed, by a rule and perhaps an exception from it."""
    if not question.tenant:
        return "tenant_missing", "with a tenant in the call's context"
    if rule is None:
        return "tenant_unlisted", "with a rule for the tenant in [tenants]"
    store, access = rule.store, rule.access
    if widened_by is not None:
        store, access = store | widened_by.store, access | widened_by.access
    return _judge_backend(policy, question.backend, store) or _judge_caller(question, access) or ("allowed", "")


def _judge_backend(policy: ResidencyPolicy, backend: BackendInfo, store: frozenset[str]) -> tuple[str, str] | None:
    if backend.region is None:
        return "backend_region_unknown", f"with a backend that says it is in {_listed(store)}"
    if backend.region not in store:
        return "backend_region_forbidden", f"with a backend in {_listed(store)}"
    known = backend.region_confidence in CONFIDENCES
    if not known or CONFIDENCES.index(backend.region_confidence) < CONFIDENCES.index(policy.min_confidence):
        return "backend_confidence_low", f"if the region were {policy.min_confidence}"
    return None


def _judge_caller(question: Question, access: frozenset[str]) -> tuple[str, str] | None:
    """Judge where the call comes from. If the guard and the call both know, both must be allowed."""
    if question.caller_region is None and question.call_region is None:
        return "caller_region_unknown", f"from {_listed(access)}"
    if question.caller_region is not None and question.caller_region not in access:
        return "caller_region_forbidden", f"from {_listed(access)}"
    if question.call_region is not None and question.call_region not in access:
        return "call_region_forbidden", f"from {_listed(access)}"
    return None


def _facts(question: Question) -> dict[str, Fact]:
    backend = question.backend
    return {
        "tenant": Fact(question.tenant, "call"),
        "caller_region": Fact(question.caller_region, "guard"),
        "call_region": Fact(question.call_region, "call"),
        "backend_region": Fact(backend.region, "backend", backend.region_confidence),
    }


def _listed(regions: frozenset[str]) -> str:
    return " or ".join(sorted(regions))
