"""What one rule of a policy says, and what exceptions allow beyond it: as it is read, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from storescope.contract import OPERATIONS
from storescope.middleware._region._instants import text_of, text_of_monitoring

if TYPE_CHECKING:
    from storescope.middleware._region._reader import Table

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


def read_rule(
    name: str, table: Table, groups: dict[str, frozenset[str]], default: float | None, unreachable: str
) -> Rule:
    """Return a rule, its exceptions still missing; what it leaves out is as the whole policy has it.

    Args:
        name: As the policy calls it.
        table: Where it stands.
        groups: The regions of each group.
        default: Until when the whole policy monitors.
        unreachable: What the whole policy has for `pins_unreachable`.

    Raises:
        PolicyError: If a key is unknown, missing or wrong.
    """
    table.only("store", "access", "home", "telemetry", "mode", "monitor_until", "pins_unreachable")
    store = _regions(table, "store", groups)
    mode = table.choice("mode", MODES) if table.has("mode") else "enforce" if default is None else "monitor"
    return Rule(
        name=name,
        store=store,
        access=_regions(table, "access", groups),
        home=table.choice("home", tuple(sorted(store))),
        telemetry=_regions(table, "telemetry", groups) if table.has("telemetry") else None,
        monitor_until=read_monitoring(table, mode, default),
        pins_unreachable=read_unreachable(table, unreachable),
        exceptions=(),
    )


def read_exception(table: Table, groups: dict[str, frozenset[str]], rules: dict[str, Rule]) -> PolicyException:
    """Return an exception from one of the rules.

    Raises:
        PolicyError: If a key is unknown, missing or wrong.
    """
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


def _regions(table: Table, key: str, groups: dict[str, frozenset[str]]) -> frozenset[str]:
    """Return the members of the groups that `key` lists; nothing is implied."""
    names = table.choices(key, tuple(groups))
    return frozenset().union(*(groups[name] for name in names))


def read_unreachable(table: Table, default: str) -> str:
    """Return what becomes of reads while the pin registry does not answer."""
    return table.choice("pins_unreachable", UNREACHABLE) if table.has("pins_unreachable") else default


def read_monitoring(table: Table, mode: str, default: float | None) -> float | None:
    """Return when monitoring ends: as the table says, else with the whole policy's, else never."""
    if mode == "monitor":
        if table.has("monitor_until"):
            return table.instant("monitor_until")
        return inf if default is None else default
    if table.has("monitor_until"):
        table.fail("monitor_until", 'goes only with mode = "monitor"')
    return None
