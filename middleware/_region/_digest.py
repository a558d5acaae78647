"""The canonical digest of a policy: what it means, whatever way the file writes it down."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from storescope.middleware._region._instants import text_of, text_of_monitoring

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.middleware._region._policy import PolicyException, ResidencyPolicy, Rule


def digest_of(policy: ResidencyPolicy) -> str:
    """Return SHA-256, hex, over the policy's meaning as JSON with sorted keys and no spaces."""
    text = json.dumps(_meaning(policy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _meaning(policy: ResidencyPolicy) -> dict[str, Any]:
    """Return everything that an auditor or a decision could ask the policy for.

    Groups are a way of writing: their members stand in their places. Whatever the file leaves to a default is
    written out.
    """
    return {
        "schema": "residency/1",
        "version": policy.version,
        "min_confidence": policy.min_confidence,
        "monitoring": text_of_monitoring(policy.monitor_until),
        "tenants": {tenant: rule.name for tenant, rule in policy.tenants.items()},
        "rules": {name: _rule(rule) for name, rule in policy.rules.items()},
        "exceptions": {exception.id: _exception(exception) for exception in policy.exceptions},
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "store": sorted(rule.store),
        "access": sorted(rule.access),
        "home": rule.home,
        "telemetry": _sorted(rule.telemetry),
        "monitoring": text_of_monitoring(rule.monitor_until),
    }


def _exception(exception: PolicyException) -> dict[str, Any]:
    return {
        "rule": exception.rule,
        "operations": sorted(exception.operations),
        "store": sorted(exception.store),
        "access": sorted(exception.access),
        "reason": exception.reason,
        "approved_by": sorted(exception.approved_by),
        "expires": text_of(exception.expires),
    }


def _sorted(regions: Iterable[str] | None) -> list[str] | None:
    return None if regions is None else sorted(regions)
