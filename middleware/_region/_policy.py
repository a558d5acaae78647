"""The residency policy: a TOML file, read whole, refused with file and key where it is wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from storescope.middleware._region._instants import text_of_monitoring
from storescope.middleware._region._reader import Table
from storescope.middleware._region._rules import (
    MODES,
    UNREACHABLE,
    PolicyException,
    Rule,
    read_exception,
    read_monitoring,
    read_rule,
    read_unreachable,
)
from storescope.middleware._region._toml import parse, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "residency/1"
CONFIDENCES = ("declared", "probed", "attested")


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
        monitor_until = read_monitoring(top, mode, None)
        groups = _groups(top.table("regions"))
        unreachable = read_unreachable(top, UNREACHABLE[0])
        rules = {
            name: read_rule(name, table, groups, monitor_until, unreachable)
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


def _exceptions(
    top: Table, groups: dict[str, frozenset[str]], rules: dict[str, Rule]
) -> tuple[PolicyException, ...]:
    made: dict[str, PolicyException] = {}
    for table in top.array("exceptions"):
        exception = read_exception(table, groups, rules)
        if exception.id in made:
            table.fail("id", f"{exception.id!r} is given twice; each exception needs an id of its own")
        made[exception.id] = exception
    # Where two would do, the file's order must not decide which one is named.
    return tuple(sorted(made.values(), key=lambda each: (-each.expires, each.id)))


def _of(rule: Rule, exceptions: tuple[PolicyException, ...]) -> tuple[PolicyException, ...]:
    return tuple(each for each in exceptions if each.rule == rule.name)
