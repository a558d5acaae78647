"""Policies, and what they say: read here by nobody's code but this."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from storescope.middleware import ResidencyPolicy

EU, US = "aws:eu-west-1", "aws:us-east-1"
BOTH = (EU, US)
TENANTS = ("acme", "globex")


class Rule(NamedTuple):
    """What one tenant may: where its records may rest, from where they may be touched, where new ones go."""

    store: tuple[str, ...] = BOTH
    access: tuple[str, ...] = BOTH
    home: str = EU


Policy = tuple[Rule | None, ...]
"""The rule of each of `TENANTS`; None if it is not listed."""

WIDEST: Policy = (Rule(), Rule())

_PLACES = (*[(BOTH, EU), (BOTH, US)] * 3, ((EU,), EU), ((US,), US))
_ACCESS = (*[BOTH] * 18, (EU,), (US,))
RULES: tuple[Rule | None, ...] = (
    *(Rule(store, access, home) for access in _ACCESS for store, home in _PLACES),
    None,
    None,
)
"""What a tenant may, as often as it is drawn; mostly much, or little would happen."""


def may_lie(policy: Policy, tenant: str, region: str) -> bool:
    """Return whether a policy lets a tenant's records lie in a region."""
    rule = policy[TENANTS.index(tenant)]
    return rule is not None and region in rule.store


def may_touch(policy: Policy, tenant: str, region: str, callers: tuple[str | None, ...]) -> bool:
    """Return whether a policy lets a tenant's records in a region be touched from where a call comes from."""
    rule = policy[TENANTS.index(tenant)]
    return rule is not None and region in rule.store and all(each in rule.access for each in callers if each)


@lru_cache(maxsize=4096)
def compiled(policy: Policy) -> ResidencyPolicy:
    """Return the policy as the guard knows it."""
    rules: dict[str, Any] = {
        tenant: {
            "store": [region[4:] for region in rule.store],
            "access": [region[4:] for region in rule.access],
            "home": rule.home,
            "pins_unreachable": "read_pinned",
        }
        for tenant, rule in zip(TENANTS, policy, strict=True)
        if rule is not None
    }
    return ResidencyPolicy.from_dict(
        {
            "schema": "residency/1",
            "version": "1",
            "mode": "enforce",
            "min_confidence": "declared",
            "regions": {"eu-west-1": [EU], "us-east-1": [US]},
            "tenants": {tenant: tenant for tenant in rules},
            "rules": rules,
        }
    )


class InForce:
    """The policy in force, as every guard and mover follows it.

    Attributes:
        table: What it says.
        current: The same, compiled.
    """

    def __init__(self, table: Policy) -> None:
        self.replace(table)

    def replace(self, table: Policy) -> None:
        """Put another policy in force."""
        self.table, self.current = table, compiled(table)
