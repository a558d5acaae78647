"""What `storescope residency diff` prints for people: few lines, however many tenants and regions there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.middleware._region._diff import REST
from storescope.middleware._region._reader import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._diff import Change, Difference, PairChange, TenantsChange, Verdict

_MOST_NAMED = 5


def lines(found: Difference, before: ResidencyPolicy, after: ResidencyPolicy) -> Iterator[str]:
    """Return the whole text, line by line."""
    return map(one_line, _lines(found, before, after))


def _lines(found: Difference, before: ResidencyPolicy, after: ResidencyPolicy) -> Iterator[str]:
    yield from map(_change, found.settings)
    for tenants in found.tenants:
        yield from _tenants(tenants, found.regions)
    yield from map(_exception, found.exceptions)
    for rule, one, other in found.telemetry:
        yield f"telemetry of rule {rule}: {_shown(one or 'not checked')} -> {_shown(other or 'not checked')}"
    verdict = "they decide differently" if found else "they decide alike"
    which = (f"version {each.version!r} ({each.digest[:12]})" for each in (before, after))
    yield f"{verdict}: {' -> '.join(which)}"


def _change(change: Change) -> str:
    return f"{change.key}: {_shown(change.before)} -> {_shown(change.after)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "none" if value is None else str(value)


def _tenants(change: TenantsChange, regions: tuple[str, ...]) -> Iterator[str]:
    one, other = (f"rule {name}" if name else "no rule" for name in change.rules)
    yield f"{_named(change.tenants)} ({one if one == other else f'{one} -> {other}'}):"
    for about, backends, callers in _folded(change.pairs):
        places = f"backend in {_places(backends, regions)}; caller in {_places(callers, regions)}"
        yield f"  {places}: {about}"
    yield from (f"  {_change(setting)}" for setting in change.settings)


def _named(tenants: tuple[str, ...]) -> str:
    listed = [tenant for tenant in tenants if tenant != REST]
    shown = listed[:_MOST_NAMED]
    if len(listed) > _MOST_NAMED:
        shown.append(f"and {len(listed) - _MOST_NAMED:,} more")
    if REST in tenants:
        shown.append(f"{REST} (whom neither lists)")
    return f"{'tenant' if len(tenants) == 1 else 'tenants'} {', '.join(shown)}"


def _folded(pairs: tuple[PairChange, ...]) -> Iterator[tuple[str, list[str], tuple[str, ...]]]:
    """Return what changes with its backends and callers: those that share a line are brought together."""
    callers: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        about = f"{_verdict(pair.before)} -> {_verdict(pair.after)}"
        callers.setdefault((about, pair.backend_region), []).append(pair.caller_region)
    backends: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (about, backend), names in callers.items():
        backends.setdefault((about, tuple(names)), []).append(backend)
    return ((about, places, names) for (about, names), places in backends.items())


def _verdict(verdict: Verdict) -> str:
    return verdict.effect if verdict.effect == "allow" else f"{verdict.effect} ({verdict.code})"


def _places(places: Sequence[str], every: tuple[str, ...]) -> str:
    if len(places) == len(every):
        return "any region"
    return ", ".join("any other" if place == REST else place for place in places)


def _exception(change: Change) -> str:
    if change.before is None:
        return f"exception {change.key}: added: {_all(change.after)}"
    if change.after is None:
        return f"exception {change.key}: removed: {_all(change.before)}"
    keys = [key for key in {**change.before, **change.after} if change.before.get(key) != change.after.get(key)]
    parts = (f"{key} {_shown(change.before.get(key))} -> {_shown(change.after.get(key))}" for key in keys)
    return f"exception {change.key}: changed: {'; '.join(parts)}"


def _all(exception: dict[str, Any]) -> str:
    return "; ".join(f"{key} {_shown(value)}" for key, value in exception.items())
