"""Decides by a policy. What is unknown is denied."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from storescope.middleware._region._decision import BY_LAST_PIN, Decision, Fact
from storescope.middleware._region._policy import CONFIDENCES

if TYPE_CHECKING:
    from storescope.call import BackendInfo
    from storescope.middleware._region._policy import PolicyException, ResidencyPolicy, Rule

CONFLICT = "conflict"
"""The confidence of a backend's region when those who speak of it do not agree."""


class Question(NamedTuple):
    """The facts that one decision is made from.

    Attributes:
        operation: The operation's name.
        tenant: For whom; None if the call does not say.
        caller_region: Where the guard runs; None if it was not told.
        call_region: Where the call says that it comes from.
        backend: The backend that would be contacted.
        labels: `required` if records are checked by their labels, else `off`.
    """

    operation: str
    tenant: str | None
    caller_region: str | None
    call_region: str | None
    backend: BackendInfo
    labels: str = "off"


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
    return _unless_monitored(rule or policy, plain, now)


def may_rest(policy: ResidencyPolicy, tenant: str | None, backend: BackendInfo, now: float) -> str:
    """Return `allowed` if a tenant's records may rest on a backend at the time `now`, else the code of why not."""
    rule = _rule_for(policy, tenant)
    if rule is None:
        return "tenant_unlisted" if tenant else "tenant_missing"
    store = rule.store.union(*(exception.store for exception in rule.exceptions if now < exception.expires))
    code, _ = _judge_backend(policy, backend, store) or ("allowed", "")
    return code


def object_to(policy: ResidencyPolicy, decision: Decision, code: str, now: float) -> Decision:
    """Return what becomes of this policy's decision, at the time `now`, when a record's label is at fault."""
    rule = policy.rules.get(decision.rule or "")
    judged = _unless_monitored(rule or policy, refused(decision, code), now)
    if not judged.allowed or decision.expires is None:
        return judged
    # By an exception and by monitoring: what needs both lasts no longer than either.
    return replace(judged, expires=min(decision.expires, judged.expires or inf))


def refused(decision: Decision, code: str) -> Decision:
    """Return the decision that denies for the reason `code`, whatever is monitored."""
    return replace(
        decision, allowed=False, effect="deny", code=code, would_allow_if=_WOULD_ALLOW[code], expires=None
    )


def filtered(decision: Decision, code: str) -> Decision:
    """Return the decision of a list from which rows were left out, for the reason of the last of them."""
    return replace(decision, effect="filtered", code=code, would_allow_if=_WOULD_ALLOW[code])


def by_last_pin(decision: Decision) -> Decision:
    """Return the decision of a read that went by the last pin that was known: the registry did not answer."""
    code = BY_LAST_PIN if decision.code == "allowed" else decision.code
    return replace(decision, code=code, facts={**decision.facts, "pin": Fact("last known", "guard")})


_OF_ANOTHER = "for the tenant and session that its label names"
_WOULD_ALLOW = {
    "label_missing": "once `storescope residency scan --adopt` has labelled it",
    "label_malformed": "if the record were written through the guard",
    "label_tenant_mismatch": _OF_ANOTHER,
    "label_region_mismatch": "on a backend of the region that its label names",
    "label_session_mismatch": _OF_ANOTHER,
    "label_forged": "if the record were written through a guard that has the key",
    "tenant_mismatch": "for the tenant that the pin names",
    "pin_region_mismatch": "with a backend of the region that the pin names",
    "session_region_mismatch": "once `storescope residency move` has brought both sessions to one region",
    "session_split": "once its records lie in one region, under one tenant, and `scan --adopt --pins` has seen it",
    "pins_unreachable": "once the pin registry answers",
    "pins_lost": "once the registry is rebuilt with `storescope residency scan --adopt --pins`, and opened anew",
}


def _unless_monitored(by: Rule | ResidencyPolicy, denied: Decision, now: float) -> Decision:
    """Let what is denied through if its rule, or the policy where no rule was found, is only monitored now."""
    until = by.monitor_until
    if until is None or now >= until:
        return denied
    return replace(denied, allowed=True, effect="would_deny", expires=None if until == inf else until)


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
    if backend.region_confidence == CONFLICT:
        return "backend_region_conflict", "if all who speak of the backend's region said the same"
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
        "labels": Fact(question.labels, "guard"),
    }


def _listed(regions: frozenset[str]) -> str:
    return " or ".join(sorted(regions))
