"""The residency policy: a TOML file, read whole, refused with file and key where it is wrong."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope.contract import OPERATIONS
from storescope.errors import PolicyError
from storescope.middleware._region._reader import Table, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SCHEMA = "residency/1"
CONFIDENCES = ("declared", "probed", "attested")
MODES = ("enforce", "monitor")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one kind of tenant's data may rest, and from where it may be touched.

    Attributes:
        name: As the policy calls it.
        store: The regions where data may rest.
        access: The regions from which it may be touched.
        home: Where new sessions are placed.
        telemetry: The regions where traces, metrics and audit logs may go; None if the rule does not say.
    """

    name: str
    store: frozenset[str]
    access: frozenset[str]
    home: str
    telemetry: frozenset[str] | None


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


@dataclass(frozen=True, slots=True)
class ResidencyPolicy:
    """A policy that was read and found sound.

    Attributes:
        version: The author's own version.
        digest: SHA-256 of its content, hex; it does not depend on the order of keys or on comments.
        mode: `enforce`, or `monitor` (count what would be denied and let it through).
        min_confidence: How well the backend's region must be known.
        tenants: Tenant -> rule; `"*"` stands for the rest.
        exceptions: What is allowed for a time.
    """

    version: str
    digest: str
    mode: str
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
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise PolicyError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
        except UnicodeDecodeError:
            raise PolicyError(one_line(f"{path}: must be UTF-8")) from None
        except (ValueError, RecursionError) as error:  # endless numbers and nesting are not TOMLDecodeErrors
            raise PolicyError(one_line(f"{path}: is not TOML: {error}")) from None
        return cls.from_dict(data, source=str(path))

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
        top.only("schema", "version", "mode", "min_confidence", "regions", "tenants", "rules", "exceptions")
        top.choice("schema", (SCHEMA,))
        groups = _groups(top.table("regions"))
        rules = {name: _rule(name, table, groups) for name, table in top.table("rules").tables()}
        return cls(
            version=top.text("version"),
            digest=_digest(data),
            mode=top.choice("mode", MODES),
            min_confidence=top.choice("min_confidence", CONFIDENCES),
            tenants=_tenants(top.table("tenants"), rules),
            rules=rules,
            exceptions=_exceptions(top, groups, rules),
        )


def _digest(data: dict[str, Any]) -> str:
    def canonical(value: datetime) -> str:
        return value.isoformat()

    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=canonical)
    return hashlib.sha256(text.encode()).hexdigest()


def _groups(table: Table) -> dict[str, frozenset[str]]:
    return {name: frozenset(table.texts(name)) for name in table.names()}


def _tenants(table: Table, rules: dict[str, Rule]) -> dict[str, Rule]:
    return {name: rules[table.choice(name, tuple(rules))] for name in table.names()}


def _rule(name: str, table: Table, groups: dict[str, frozenset[str]]) -> Rule:
    table.only("store", "access", "home", "telemetry")
    store = _regions(table, "store", groups)
    return Rule(
        name=name,
        store=store,
        access=_regions(table, "access", groups),
        home=table.choice("home", tuple(sorted(store))),
        telemetry=_regions(table, "telemetry", groups) if table.has("telemetry") else None,
    )


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
    return tuple(made.values())


def _exception(table: Table, groups: dict[str, frozenset[str]], rules: dict[str, Rule]) -> PolicyException:
    table.only("id", "rule", "operations", "store", "access", "reason", "approved_by", "expires")
    if not (table.has("store") or table.has("access")):
        table.fail("store", "give store or access: the groups that the exception adds")
    approved_by = tuple(table.texts("approved_by"))
    people = {name.strip().casefold() for name in approved_by}
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
