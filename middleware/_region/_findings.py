"""Looks at a policy that was read for what its author may not have meant."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import TYPE_CHECKING, Any

from storescope.errors import PolicyError
from storescope.middleware._region._instants import text_of
from storescope.middleware._region._policy import ResidencyPolicy
from storescope.middleware._region._reader import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from storescope.middleware._region._policy import PolicyException, Rule

SEVERITIES = ("error", "warning", "note")
_DAY = 86_400
_LONGEST_EXCEPTION = 90 * _DAY


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should look at.

    Attributes:
        severity: `error` (the policy is wrong, or does not guard), `warning` (it may not be what was meant) or
            `note` (worth knowing).
        code: The stable word for it, `unused_rule`.
        key: The key it is about, `rules.eu-only`; empty for the whole file.
        text: What was found, in one line.
    """

    severity: Literal["error", "warning", "note"]
    code: str
    key: str
    text: str


def check(
    data: dict[str, Any], now: float, *, source: str = "policy"
) -> tuple[ResidencyPolicy | None, list[Finding]]:
    """Look at a policy's tables.

    Args:
        data: The file's content.
        now: The time, in seconds since 1970: exceptions and monitoring end.
        source: What errors call the file.

    Returns:
        The policy, or None if it cannot be loaded, and what was found, the worst first.
    """
    try:
        policy = ResidencyPolicy.from_dict(data, source=source)
    except PolicyError as error:
        return None, [invalid(error, source)]
    found = [
        *_monitoring(policy, now),
        *_confidence(policy),
        *_groups(data),
        *_tenants(policy),
        *(finding for rule in policy.rules.values() for finding in _rule(rule)),
        *_exceptions(data, policy, now),
    ]
    return policy, sorted(found, key=lambda each: SEVERITIES.index(each.severity))


def invalid(error: PolicyError, source: str) -> Finding:
    """Return what loading complained of, as a finding."""
    text = str(error).removeprefix(one_line(f"{source}: ")).removeprefix(f"{error.key}: ")
    return Finding("error", "invalid", error.key or "", text)


def _monitoring(policy: ResidencyPolicy, now: float) -> Iterator[Finding]:
    yield from _monitor("", policy.monitor_until, now)
    for name, rule in policy.rules.items():
        if rule.monitor_until != policy.monitor_until:  # else it goes with the whole policy
            yield from _monitor(f"rules.{name}.", rule.monitor_until, now)


def _monitor(table: str, until: float | None, now: float) -> Iterator[Finding]:
    key = one_line(f"{table}monitor_until")
    if until == inf:
        text = "is missing: what would be denied is let through without an end"
        yield Finding("error", "monitor_without_end", key, text)
    elif until is not None and now >= until:
        yield Finding(
            "warning", "monitor_ended", key, f"has passed, {text_of(until)}: calls are denied since then"
        )
    elif until is not None:
        yield Finding("note", "monitored", key, f"what would be denied is let through until {text_of(until)}")


def _confidence(policy: ResidencyPolicy) -> Iterator[Finding]:
    if policy.min_confidence == "declared":
        text = "'declared' believes what is said of a backend's region; nothing has looked"
        yield Finding("warning", "declared_confidence", "min_confidence", text)


def _groups(data: dict[str, Any]) -> Iterator[Finding]:
    groups: Mapping[str, list[str]] = data["regions"]
    for one, other in combinations(groups, 2):
        common = sorted(set(groups[one]) & set(groups[other]))
        if common:
            text = f"shares {', '.join(common)} with {one!r}: who allows the one allows these regions of the other"
            yield Finding("warning", "overlapping_groups", one_line(f"regions.{other}"), one_line(text))
    tables = [*data["rules"].values(), *data.get("exceptions", [])]
    used = {group for table in tables for key in ("store", "access", "telemetry") for group in table.get(key, [])}
    for name in groups:
        if name not in used:
            yield Finding("note", "unused_group", one_line(f"regions.{name}"), "no rule and no exception uses it")


def _tenants(policy: ResidencyPolicy) -> Iterator[Finding]:
    used = Counter(rule.name for rule in policy.tenants.values())
    for name in policy.rules:
        if not used[name]:
            yield Finding("warning", "unused_rule", one_line(f"rules.{name}"), "no tenant uses it")
    if "*" not in policy.tenants:
        yield Finding("note", "no_rest", "tenants", "there is no '*': every tenant that is not listed is denied")


def _rule(rule: Rule) -> Iterator[Finding]:
    if rule.home not in rule.access:
        text = f"does not contain the home, {rule.home}: agents beside their data are denied"
        yield Finding("warning", "home_without_access", one_line(f"rules.{rule.name}.access"), one_line(text))
    if rule.pins_unreachable == "read_pinned":
        text = "'read_pinned' lets reads go by the last pin that is known while the pin registry does not answer"
        yield Finding("note", "reads_by_last_pin", one_line(f"rules.{rule.name}.pins_unreachable"), text)


def _exceptions(data: dict[str, Any], policy: ResidencyPolicy, now: float) -> Iterator[Finding]:
    made = {exception.id: exception for exception in policy.exceptions}
    for position, table in enumerate(data.get("exceptions", [])):
        exception = made[table["id"]]
        yield from _exception(f"exceptions[{position}]", exception, policy.rules[exception.rule], now)


def _exception(key: str, exception: PolicyException, rule: Rule, now: float) -> Iterator[Finding]:
    ends = f"{exception.id!r} ends {text_of(exception.expires)}"
    if now >= exception.expires:
        yield Finding("warning", "exception_ended", f"{key}.expires", f"{ends}, which has passed: take it out")
    elif exception.expires - now > _LONGEST_EXCEPTION:
        text = (
            f"{ends}, in {(exception.expires - now) / _DAY:.0f} days; what lasts longer than 90 should be a rule"
        )
        yield Finding("warning", "exception_long", f"{key}.expires", text)
    if exception.store <= rule.store and exception.access <= rule.access:
        text = f"{exception.id!r} allows only what rule {rule.name!r} allows already"
        yield Finding("warning", "exception_without_effect", key, text)
