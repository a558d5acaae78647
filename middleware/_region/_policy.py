"""The residency policy: a TOML file, read whole, refused with file and key where it is wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from storescope.contract import OPERATIONS
from storescope.middleware._region._instants import text_of, text_of_monitoring
from storescope.middleware._region._reader import Table
from storescope.middleware._region._toml import parse, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "residency/1"
CONFIDENCES = ("declared", "probed", "attested")
MODES = ("enforce", "monitor")
UNREACHABLE = ("deny", "read_pinned")
"""What becomes of reads while the pin registry does not answer; the first unless a policy says otherwise."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one kind of tenant's data may rest, and from where it may be touched.

    Attributes:
        name: As the policy calls it.
        store: The regions where data may rest.
        access: The regions from which it may be touched.
        home: Where new sessions are placed.
        telemetry: The regions where traces, metrics and audit logs may go; None if the rule does not say.
        monitor_until: Until when, in seconds since 1970, what it would deny is let through; None if it denies,
            infinity if it is monitored without an end.
        pins_unreachable: What becomes of reads while the pin registry does not answer: `deny`, or `read_pinned`.
        exceptions: The exceptions from it, the one that ends last first.
    """

    name: str
    store: frozenset[str]
    access: frozenset[str]
    home: str
    telemetry: frozenset[str] | None
    monitor_until: float | None
    pins_unreachable: str
    exceptions: tuple[PolicyException, ...]

    def meaning(self) -> dict[str, Any]:
        """Return what it says, its exceptions aside, as JSON has it: groups are a way of writing, and are gone."""
        return {
            "store": sorted(self.store),
            "access": sorted(self.access),
            "home": self.home,
            "telemetry": None if self.telemetry is None else sorted(self.telemetry),
            "monitoring": text_of_monitoring(self.monitor_until),
            "pins_unreachable": self.pins_unreachable,
        }


@dataclass(frozen=True, slots=True)
class PolicyException:
    """What one rule allows beyond itself, until it expires.

    Attributes:
        id: Its name in audit records and metrics.
        rule: The rule that it widens.
        operations: The operations it holds for.
        store: Further regions where data may rest.
        access: Further regions from which it may be touched.
        reason: Why, for the auditor.
        approved_by: The two who approved it.
        expires: When it ends, in seconds since 1970.
    """

    id: str
    rule: str
    operations: frozenset[str]
    store: frozenset[str]
    access: frozenset[str]
    reason: str
    approved_by: tuple[str, ...]
    expires: float

    def meaning(self) -> dict[str, Any]:
        """Return what it says, its id aside, as JSON has it."""
        return {
            "rule": self.rule,
            "operations": sorted(self.operations),
            "store": sorted(self.store),
            "access": sorted(self.access),
            "reason": self.reason,
            "approved_by": sorted(self.approved_by),
            "expires": text_of(self.expires),
        }


@dataclass(frozen=True, slots=True)
class ResidencyPolicy:
    """A policy that was read and found sound.

    Attributes:
        version: The author's own version.
        digest: SHA-256 of what it means, hex; no order, comment or other way of writing the same changes it.
        mode: `enforce`, or `monitor` (count what would be denied and let it through).
        monitor_until: As of a rule, for calls that find no rule, and for rules that do not say otherwise.
        min_confidence: How well the backend's region must be known.
        tenants: Tenant -> rule; `"*"` stands for the rest.
        rules: Name -> rule.
        exceptions: What is allowed for a time, the one that ends last first.
    """

    version: str
    digest: str
    mode: str
    monitor_until: float | None
    min_confidence: str
    tenants: Mapping[str, Rule]
    rules: Mapping[str, Rule]
    exceptions: tuple[PolicyException, ...]

    @classmethod
    def load(cls, path: str | Path) -> ResidencyPolicy:
        """Read a policy file.

        Args:
            path: The TOML file.

        Returns:
            The policy.

        Raises:
            PolicyError: If it cannot be read or is wrong; one line that names file, key and what is allowed.
        """
        return cls.from_dict(parse(read(path), str(path)), source=str(path))

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "policy") -> ResidencyPolicy:
        """Make a policy from parsed TOML.

        Args:
            data: The file's content.
            source: What errors call it.

        Returns:
            The policy.

        Raises:
            PolicyError: If a key is unknown, missing or wrong.
        """
        top = Table(source, "", data)
        top.only(
            *("schema", "version", "mode", "monitor_until", "min_confidence"),
            *("pins_unreachable", "regions", "tenants", "rules", "exceptions"),
        )
        top.choice("schema", (SCHEMA,))
        mode = top.choice("mode", MODES)
        monitor_until = _monitor_until(top, mode, None)
        groups = _groups(top.table("regions"))
        unreachable = _pins_unreachable(top, UNREACHABLE[0])
        rules = {
            name: _rule(name, table, groups, monitor_until, unreachable)
            for name, table in top.table("rules").tables()
        }
        tenants = _tenants(top.table("tenants"), rules)
        exceptions = _exceptions(top, groups, rules)
        rules = {name: replace(rule, exceptions=_of(rule, exceptions)) for name, rule in rules.items()}
        policy = cls(
            version=top.text("version"),
            digest="",
            mode=mode,
            monitor_until=monitor_until,
            min_confidence=top.choice("min_confidence", CONFIDENCES),
            tenants={tenant: rules[name] for tenant, name in tenants.items()},
            rules=rules,
            exceptions=exceptions,
        )
        return replace(policy, digest=policy._own_digest())

    def _own_digest(self) -> str:
        """Return SHA-256 over the meaning as JSON with sorted keys and no spaces; defaults are written out."""
        meaning = {
            "schema": SCHEMA,
            "version": self.version,
            "min_confidence": self.min_confidence,
            "monitoring": text_of_monitoring(self.monitor_until),
            "tenants": {tenant: rule.name for tenant, rule in self.tenants.items()},
            "rules": {name: rule.meaning() for name, rule in self.rules.items()},
            "exceptions": {exception.id: exception.meaning() for exception in self.exceptions},
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _groups(table: Table) -> dict[str, frozenset[str]]:
    return {name: frozenset(table.texts(name)) for name in table.names()}


def _tenants(table: Table, rules: dict[str, Rule]) -> dict[str, str]:
    return {name: table.choice(name, tuple(rules)) for name in table.names()}


def _rule(
    name: str, table: Table, groups: dict[str, frozenset[str]], default: float | None, unreachable: str
) -> Rule:
    table.only("store", "access", "home", "telemetry", "mode", "monitor_until", "pins_unreachable")
    store = _regions(table, "store", groups)
    mode = table.choice("mode", MODES) if table.has("mode") else "enforce" if default is None else "monitor"
    return Rule(
        name=name,
        store=store,
        access=_regions(table, "access", groups),
        home=table.choice("home", tuple(sorted(store))),
        telemetry=_regions(table, "telemetry", groups) if table.has("telemetry") else None,
        monitor_until=_monitor_until(table, mode, default),
        pins_unreachable=_pins_unreachable(table, unreachable),
        exceptions=(),
    )


def _pins_unreachable(table: Table, default: str) -> str:
    return table.choice("pins_unreachable", UNREACHABLE) if table.has("pins_unreachable") else default


def _monitor_until(table: Table, mode: str, default: float | None) -> float | None:
    """Return when monitoring ends: as the table says, else with the whole policy's, else never."""
    if mode == "monitor":
        if table.has("monitor_until"):
            return table.instant("monitor_until")
        return inf if default is None else default
    if table.has("monitor_until"):
        table.fail("monitor_until", 'goes only with mode = "monitor"')
    return None


def _regions(table: Table, key: str, groups: dict[str, frozenset[str]]) -> frozenset[str]:
    """Return the members of the groups that `key` lists; nothing is implied."""
    names = table.choices(key, tuple(groups))
    return frozenset().union(*(groups[name] for name in names))


def _exceptions(
    top: Table, groups: dict[str, frozenset[str]], rules: dict[str, Rule]
) -> tuple[PolicyException, ...]:
    made: dict[str, PolicyException] = {}
    for table in top.array("exceptions"):
        exception = _exception(table, groups, rules)
        if exception.id in made:
            table.fail("id", f"{exception.id!r} is given twice; each exception needs an id of its own")
        made[exception.id] = exception
    # Where two would do, the file's order must not decide which one is named.
    return tuple(sorted(made.values(), key=lambda each: (-each.expires, each.id)))


def _of(rule: Rule, exceptions: tuple[PolicyException, ...]) -> tuple[PolicyException, ...]:
    return tuple(each for each in exceptions if each.rule == rule.name)


def _exception(table: Table, groups: dict[str, frozenset[str]], rules: dict[str, Rule]) -> PolicyException:
    table.only("id", "rule", "operations", "store", "access", "reason", "approved_by", "expires")
    if not (table.has("store") or table.has("access")):
        table.fail("store", "give store or access: the groups that the exception adds")
    approved_by = tuple(sorted(table.texts("approved_by")))
    people = {name.strip().casefold() for name in approved_by} - {""}
    if not len(approved_by) == len(people) == 2:  # noqa: PLR2004 (the four-eyes principle)
        table.fail("approved_by", "must name two different people")
    return PolicyException(
        id=table.text("id"),
        rule=table.choice("rule", tuple(rules)),
        operations=frozenset(table.choices("operations", tuple(OPERATIONS))),
        store=_regions(table, "store", groups) if table.has("store") else frozenset(),
        access=_regions(table, "access", groups) if table.has("access") else frozenset(),
        reason=table.text("reason"),
        approved_by=approved_by,
        expires=table.instant("expires"),
    )
