"""A slow, obviously right interpreter of a policy, written apart from the engine: read it against DESIGN 5."""

from __future__ import annotations

from datetime import datetime
from typing import Any

ORDER = ["declared", "probed", "attested"]


def members(policy: dict[str, Any], groups: list[str]) -> list[str]:
    return [region for group in groups for region in policy["regions"][group]]


def seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def allowed_by(policy: dict[str, Any], facts: dict[str, Any], store: list[str], access: list[str]) -> bool:
    """Return whether every fact is known and allowed."""
    backend, callers = facts["backend_region"], [facts["caller_region"], facts["call_region"]]
    known = [region for region in callers if region is not None]
    sure = ORDER.index(facts["confidence"]) >= ORDER.index(policy["min_confidence"])
    return backend is not None and backend in store and sure and bool(known) and all(r in access for r in known)


def exception_for(policy: dict[str, Any], name: str, facts: dict[str, Any], now: float) -> str | None:
    """Return the exception that lets the call through: of those that do, the one that ends last, then by id."""
    rule, fitting = policy["rules"][name], []
    for exception in policy["exceptions"]:
        ends = seconds(exception["expires"])
        if exception["rule"] != name or facts["operation"] not in exception["operations"] or now >= ends:
            continue
        store = members(policy, rule["store"] + exception.get("store", []))
        access = members(policy, rule["access"] + exception.get("access", []))
        if allowed_by(policy, facts, store, access):
            fitting.append((-ends, exception["id"]))
    return min(fitting)[1] if fitting else None


def monitoring(policy: dict[str, Any], rule: dict[str, Any]) -> str | None:
    """Return `enforced`, else the instant when monitoring ends; None if it is monitored without an end."""
    if rule.get("mode", policy["mode"]) == "enforce":
        return "enforced"
    ends: str | None = rule.get("monitor_until", policy.get("monitor_until"))
    return ends


def effect(policy: dict[str, Any], facts: dict[str, Any], now: float) -> tuple[str, str | None]:
    """Return `allow`, `deny`, `exception` with its id, or `would_deny`."""
    tenants = policy["tenants"]
    name = None if facts["tenant"] is None else tenants.get(facts["tenant"], tenants.get("*"))
    rule = {} if name is None else policy["rules"][name]
    if name is not None:
        if allowed_by(policy, facts, members(policy, rule["store"]), members(policy, rule["access"])):
            return "allow", None
        exception = exception_for(policy, name, facts, now)
        if exception is not None:
            return "exception", exception
    until = monitoring(policy, rule)
    watched = until is None or (until != "enforced" and now < seconds(until))
    return ("would_deny" if watched else "deny"), None


def meaning(policy: dict[str, Any]) -> list[Any]:
    """Return all that a policy means, in a form that is equal where the meaning is."""

    def regions(table: dict[str, Any], key: str) -> set[str] | None:
        return set(members(policy, table[key])) if key in table else None

    def until(rule: dict[str, Any]) -> Any:
        ends = monitoring(policy, rule)
        return ends if ends in {None, "enforced"} else seconds(str(ends))

    rules = {
        name: [
            regions(rule, "store"),
            regions(rule, "access"),
            rule["home"],
            regions(rule, "telemetry"),
            until(rule),
            rule.get("pins_unreachable", policy.get("pins_unreachable", "deny")),
        ]
        for name, rule in policy["rules"].items()
    }
    exceptions = {
        each["id"]: [
            *(each["rule"], set(each["operations"]), regions(each, "store"), regions(each, "access")),
            *(each["reason"], set(each["approved_by"]), seconds(each["expires"])),
        ]
        for each in policy["exceptions"]
    }
    return [policy["version"], policy["min_confidence"], until({}), policy["tenants"], rules, exceptions]
