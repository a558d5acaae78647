"""What changes between two policies: for whom, where, and how it is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope.call import BackendInfo
from storescope.contract import OPERATIONS
from storescope.middleware._region._engine import Question, decide
from storescope.middleware._region._instants import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from storescope.middleware._region._policy import ResidencyPolicy, Rule

REST = "*"
"""Every tenant, or region, that is named in neither policy."""

_OPERATION = next(iter(OPERATIONS))  # without exceptions, a policy decides alike about all of them


class Change(NamedTuple):
    """Something that both or one of the policies say; None is what one does not say.

    Attributes:
        key: What it is about, `mode` or the id of an exception.
        before: As the first policy has it.
        after: As the second has it.
    """

    key: str
    before: Any
    after: Any


class Verdict(NamedTuple):
    """What is decided about a pair of regions.

    Attributes:
        effect: `allow`, `deny` or `would_deny`.
        code: The reason.
    """

    effect: str
    code: str


class PairChange(NamedTuple):
    """A pair of regions about which the policies decide differently.

    Attributes:
        backend_region: Where the data would rest.
        caller_region: From where it would be touched.
        before: What the first policy decides.
        after: What the second decides.
    """

    backend_region: str
    caller_region: str
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class TenantsChange:
    """What changes for tenants that go from one rule to the same other one.

    Attributes:
        tenants: Their names, sorted; `*` stands for all that neither policy lists.
        rules: The names of their rule before and after; None if they have none.
        settings: `home`, `mode`, `monitor_until` and `pins_unreachable`, where they change.
        pairs: The pairs of regions that change.
    """

    tenants: tuple[str, ...]
    rules: tuple[str | None, str | None]
    settings: tuple[Change, ...]
    pairs: tuple[PairChange, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that two policies decide differently.

    Attributes:
        regions: The regions that were compared; `*` stands for all that neither policy names.
        settings: `mode`, `monitor_until` and `min_confidence` of the whole policy, where they change.
        tenants: What changes for whom, exceptions aside.
        exceptions: The exceptions that come, go or change, by id.
        telemetry: Where rules let telemetry go, by rule, where that changes.
    """

    regions: tuple[str, ...]
    settings: tuple[Change, ...]
    tenants: tuple[TenantsChange, ...]
    exceptions: tuple[Change, ...]
    telemetry: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.settings or self.tenants or self.exceptions or self.telemetry)


def diff(before: ResidencyPolicy, after: ResidencyPolicy, now: float) -> Difference:
    """Compare what two policies decide at the time `now` (seconds since 1970)."""
    regions = (*sorted(_regions(before) | _regions(after)), REST)
    return Difference(
        regions=regions,
        settings=tuple(
            _changes(
                *_monitoring(before.monitor_until, after.monitor_until),
                ("min_confidence", before.min_confidence, after.min_confidence),
            )
        ),
        tenants=tuple(_tenants(before, after, regions, now)),
        exceptions=tuple(_by_name(_exceptions(before), _exceptions(after))),
        telemetry=tuple(_by_name(_telemetry(before), _telemetry(after))),
    )


def _changes(*each: tuple[str, Any, Any]) -> Iterator[Change]:
    return (Change(key, one, other) for key, one, other in each if one != other)


def _by_name(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    return _changes(*((name, before.get(name), after.get(name)) for name in sorted({*before, *after})))


def _tenants(
    before: ResidencyPolicy, after: ResidencyPolicy, regions: tuple[str, ...], now: float
) -> Iterator[TenantsChange]:
    bare = _without_exceptions(before), _without_exceptions(after)
    for rules, tenants in _grouped(before, after).items():
        settings = tuple(_rule_changes(*(_rule(policy, tenants[0]) for policy in (before, after))))
        pairs = tuple(_pairs(bare, tenants[0], regions, now))
        if settings or pairs:
            yield TenantsChange(tuple(tenants), rules, settings, pairs)


def _grouped(before: ResidencyPolicy, after: ResidencyPolicy) -> dict[tuple[str | None, str | None], list[str]]:
    """Return the tenants by their rules before and after: what changes for one of them changes for all."""
    grouped: dict[tuple[str | None, str | None], list[str]] = {}
    for tenant in sorted({*before.tenants, *after.tenants, REST}):
        one, other = (_rule(policy, tenant) for policy in (before, after))
        grouped.setdefault((one.name if one else None, other.name if other else None), []).append(tenant)
    return grouped


def _rule(policy: ResidencyPolicy, tenant: str) -> Rule | None:
    return policy.tenants.get(tenant) or policy.tenants.get(REST)


def _rule_changes(before: Rule | None, after: Rule | None) -> Iterator[Change]:
    """Return what else changes with the rule; who had none, or has none, has nothing to compare."""
    if before is None or after is None:
        return iter(())
    return _changes(
        ("home", before.home, after.home),
        *_monitoring(before.monitor_until, after.monitor_until),
        ("pins_unreachable", before.pins_unreachable, after.pins_unreachable),
    )


def _monitoring(before: float | None, after: float | None) -> tuple[tuple[str, Any, Any], ...]:
    return ("mode", _mode(before), _mode(after)), ("monitor_until", _end(before), _end(after))


def _mode(monitor_until: float | None) -> str:
    return "enforce" if monitor_until is None else "monitor"


def _end(monitor_until: float | None) -> str | None:
    return None if monitor_until is None or monitor_until == inf else text_of(monitor_until)


def _pairs(
    policies: tuple[ResidencyPolicy, ResidencyPolicy], tenant: str, regions: Iterable[str], now: float
) -> Iterator[PairChange]:
    """Return the pairs that get another answer; another reason for the same one is no change."""
    for backend in regions:
        for caller in regions:
            before, after = (_verdict(policy, tenant, backend, caller, now) for policy in policies)
            if before.effect != after.effect:
                yield PairChange(backend, caller, before, after)


def _verdict(policy: ResidencyPolicy, tenant: str, backend: str, caller: str, now: float) -> Verdict:
    info = BackendInfo("unknown", region=backend, region_confidence="attested")
    decision = decide(policy, Question(_OPERATION, tenant, caller, None, info), now)
    return Verdict(decision.effect, decision.code)


def _without_exceptions(policy: ResidencyPolicy) -> ResidencyPolicy:
    """Return the policy as it is for calls that no exception speaks of; exceptions are compared by themselves."""
    rules = {name: replace(rule, exceptions=()) for name, rule in policy.rules.items()}
    tenants = {tenant: rules[rule.name] for tenant, rule in policy.tenants.items()}
    return replace(policy, rules=rules, tenants=tenants, exceptions=())


def _regions(policy: ResidencyPolicy) -> frozenset[str]:
    by_rules = [rule.store | rule.access for rule in policy.rules.values()]
    return frozenset().union(*by_rules, *(each.store | each.access for each in policy.exceptions))


def _telemetry(policy: ResidencyPolicy) -> dict[str, Any]:
    return {name: sorted(rule.telemetry) for name, rule in policy.rules.items() if rule.telemetry is not None}


def _exceptions(policy: ResidencyPolicy) -> dict[str, Any]:
    """Return what each exception says, without what it leaves out."""
    return {
        exception.id: {key: value for key, value in exception.meaning().items() if value}
        for exception in policy.exceptions
    }
