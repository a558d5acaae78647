"""What a residency decision means, in words."""

from __future__ import annotations

from typing import Any

from storescope.middleware._region._decision import REASONS

_EFFECTS = {
    "allow": "allowed",
    "deny": "denied",
    "would_deny": "let through, because the policy only monitors; it would be denied",
    "exception": "let through by an exception of the policy, else denied",
    "filtered": "let through without the rows that are denied",
}
_FACTS = {
    "tenant": "agent_storage.tenant",
    "backend_region": "agent_storage.backend.region",
    "call_region": "agent_storage.caller.region",
}


def residency(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """Explain the decision that a span's attributes give.

    Returns:
        `effect`, `code`, `rule`, `facts` that the span has, and `text`; None if the span gives no decision, which
        it does not where the guard plainly allowed the call.
    """
    effect = attributes.get("agent_storage.residency.decision")
    if not isinstance(effect, str):
        return None
    code, rule = (_word(attributes, f"agent_storage.residency.{name}") for name in ("code", "rule"))
    facts = {name: _word(attributes, key) for name, key in _FACTS.items()}
    return _explained(effect, code, rule, facts)


def residency_of_record(record: dict[str, Any]) -> dict[str, Any] | None:
    """Explain the decision that an audit record gives, plain permissions too; None if it gives none."""
    effect = record.get("decision")
    if not isinstance(effect, str) or not isinstance(record.get("code"), str):
        return None
    named = {"tenant": "tenant", "backend_region": "backend_region", "call_region": "caller_region"}
    facts = {name: _word(record, key) for name, key in named.items()}
    return _explained(effect, record["code"], _word(record, "rule"), facts)


def _explained(effect: str, code: str, rule: str, facts: dict[str, str]) -> dict[str, Any]:
    by = "no rule" if rule in {"", "none"} else f"rule {rule}"
    reason = _reason(code, facts)
    return {
        "effect": effect,
        "code": code,
        "rule": rule,
        "facts": {name: value for name, value in facts.items() if value},
        "text": f"{_EFFECTS.get(effect, effect)} by {by}: {reason}",
    }


def _word(attributes: dict[str, Any], key: str) -> str:
    value = attributes.get(key)
    return value if isinstance(value, str) else ""


def _reason(code: str, facts: dict[str, str]) -> str:
    reason = REASONS.get(code, code or "no reason was recorded")
    for name in ("backend_region", "caller_region", "call_region", "confidence"):
        # The guard's own region and the confidence are not on the span.
        reason = reason.replace(f"{{{name}}}", facts.get(name) or "(not on the span)")
    return " ".join(reason.split())
