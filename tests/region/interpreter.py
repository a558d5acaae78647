"""A slow, obviously right interpreter of a policy, written apart from the engine: read it against DESIGN 5."""

from __future__ import annotations

from datetime import datetime
from typing import Any

ORDER = ["declared", "probed", "attested"]


def members(policy: dict[str, Any], groups: list[str]) -> list[str]:
    return [region for group in groups for region in policy["regions"][group]]


def allowed_by(policy: dict[str, Any], facts: dict[str, Any], store: list[str], access: list[str]) -> bool:
    """Return whether every fact is known and allowed."""
    backend, callers = facts["backend_region"], [facts["caller_region"], facts["call_region"]]
    known = [region for region in callers if region is not None]
    sure = ORDER.index(facts["confidence"]) >= ORDER.index(policy["min_confidence"])
    return backend is not None and backend in store and sure and bool(known) and all(r in access for r in known)


def effect(policy: dict[str, Any], facts: dict[str, Any], now: float) -> str:
    """Return `allow`, `deny`, `exception` or `would_deny`."""
    tenants = policy["tenants"]
    name = None if facts["tenant"] is None else tenants.get(facts["tenant"], tenants.get("*"))
    if name is not None:
        rule = policy["rules"][name]
        store, access = members(policy, rule["store"]), members(policy, rule["access"])
        if allowed_by(policy, facts, store, access):
            return "allow"
        for exception in policy["exceptions"]:
            ends = datetime.fromisoformat(exception["expires"]).timestamp()
            if exception["rule"] != name or facts["operation"] not in exception["operations"] or now >= ends:
                continue
            more_store = members(policy, exception.get("store", []))
            more_access = members(policy, exception.get("access", []))
            if allowed_by(policy, facts, store + more_store, access + more_access):
                return "exception"
    return "would_deny" if policy["mode"] == "monitor" else "deny"
