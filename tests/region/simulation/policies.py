"""Random policies, and small changes that tighten or loosen one where a call just stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS
from storescope.middleware import ResidencyPolicy
from tests.region.policies import EU, EU_2, US

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.region.simulation.attempts import Attempt

NOWHERE = "aws:sa-east-1"  # in no group
TENANTS = ("acme", "acme-labs", "globex", "initech")
RULES = ("one", "two")
Raw = dict[str, Any]


class PolicyInForce:
    """What the guards are given as their policy: an object whose `current` changes.

    Attributes:
        current: The policy in force.
        raw: The same as the dict it was made from.
    """

    def __init__(self, raw: Raw) -> None:
        self.swap(raw)

    def swap(self, raw: Raw) -> None:
        """Put another policy in force."""
        self.current, self.raw = ResidencyPolicy.from_dict(raw), raw


def random_policy(chance: Random, now: float) -> Raw:
    """Return a policy that allows more than half of what the agents do."""
    listed = chance.sample(TENANTS[:3], chance.choice([2, *[3] * 9])) + (["*"] if chance.random() < 0.3 else [])
    policy: Raw = {
        "schema": "residency/1",
        "version": str(chance.randrange(1000)),
        "mode": "enforce",
        "min_confidence": chance.choices(["declared", "probed", "attested"], [16, 1, 1])[0],
        "regions": {"eu": chance.choice([[EU], [EU, EU_2]]), "us": [US]},
        "tenants": {tenant: chance.choice(RULES) for tenant in listed},
        "rules": {name: _rule(chance, now) for name in RULES},
        "exceptions": [_exception(chance, now, number) for number in range(chance.choice([0, 1, 3]))],
    }
    if chance.random() < 0.15:
        _monitor(policy, chance, now)
    return policy


def _rule(chance: Random, now: float) -> Raw:
    store = chance.choices([["eu", "us"], ["eu"], ["us"]], [8, 1, 1])[0]
    access = chance.choices([["eu", "us"], ["eu"], ["us"]], [8, 1, 1])[0]
    rule: Raw = {"store": store, "access": access, "home": EU if "eu" in store else US}
    if chance.random() < 0.15:
        _monitor(rule, chance, now)
    elif chance.random() < 0.1:
        rule["mode"] = "enforce"
    return rule


def _monitor(table: Raw, chance: Random, now: float) -> None:
    table["mode"] = "monitor"
    table.pop("monitor_until", None)
    if chance.random() < 0.6:
        table["monitor_until"] = _soon(chance, now)


def _exception(chance: Random, now: float, number: int) -> Raw:
    return {
        "id": f"x{number}",
        "rule": chance.choice(RULES),
        "operations": chance.sample(list(OPERATIONS), chance.choice([1, 5, 12])),
        **{key: ["eu", "us"] for key in chance.choice([("store",), ("access",), ("store", "access")])},
        "reason": "why",
        "approved_by": ["a", "b"],
        "expires": _soon(chance, now),
    }


def _soon(chance: Random, now: float) -> str:
    return datetime.fromtimestamp(now + chance.choice([3, 10, 30, 100]), UTC).isoformat()


def tightened(raw: Raw, at: Attempt, chance: Random, now: float) -> Raw:
    """Return a policy that likely denies the call `at` which the other allowed, or allows it by an exception."""
    policy = _copied(raw)
    name = _rule_of(policy, at)
    if chance.random() < 0.7:
        _enforce(policy)
    if name is not None:
        chance.choice(_TIGHTER)(policy, policy["rules"][name], at)
    if chance.random() < 0.5:
        policy["exceptions"] = []
    if name is not None and chance.random() < 0.4:
        granted = _exception(chance, now, len(policy["exceptions"]))
        granted["operations"].append(at.operation.name)
        policy["exceptions"].append({**granted, "rule": name, "store": ["eu", "us"], "access": ["eu", "us"]})
    return policy


def _enforce(policy: Raw) -> None:
    for table in (policy, *policy["rules"].values()):
        table.pop("monitor_until", None)
        table.pop("mode", None)
    policy["mode"] = "enforce"


def _unlist(policy: Raw, rule: Raw, at: Attempt) -> None:
    for tenant in (at.tenant, "*"):
        policy["tenants"].pop(tenant, None)


def _forbid_backend(policy: Raw, rule: Raw, at: Attempt) -> None:
    group, home = ("us", US) if at.process.region != US else ("eu", EU)
    rule["store"], rule["home"] = [group], home


def _forbid_caller(policy: Raw, rule: Raw, at: Attempt) -> None:
    rule["access"] = ["us"] if (at.region or at.process.caller_region) != US else ["eu"]


def _ask_for_proof(policy: Raw, rule: Raw, at: Attempt) -> None:
    policy["min_confidence"] = "attested"


def _keep(policy: Raw, rule: Raw, at: Attempt) -> None:
    pass


_TIGHTER: tuple[Callable[[Raw, Raw, Attempt], None], ...] = (
    _unlist,
    _forbid_backend,
    _forbid_caller,
    _ask_for_proof,
    _keep,
)


def loosened(raw: Raw, at: Attempt, chance: Random, now: float) -> Raw:
    """Return a policy that likely allows the call `at`, or only monitors."""
    policy = _copied(raw) if chance.random() < 0.5 else random_policy(chance, now)
    policy["min_confidence"] = "declared"
    if at.tenant is not None and _rule_of(policy, at) is None and chance.random() < 0.8:
        policy["tenants"][at.tenant] = chance.choice(RULES)
    name = _rule_of(policy, at)
    rule = policy["rules"].get(name, policy)
    if name is not None:
        rule["store"] = rule["access"] = ["eu", "us"]
    if chance.random() < 0.2:
        _monitor(chance.choice([policy, rule]), chance, now)
    return policy


def _copied(raw: Raw) -> Raw:
    copy: Raw = json.loads(json.dumps(raw))  # three times as fast as `deepcopy`
    return copy


def _rule_of(policy: Raw, at: Attempt) -> str | None:
    name: str | None = policy["tenants"].get(at.tenant, policy["tenants"].get("*"))
    return name
