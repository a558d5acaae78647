"""Counters whose labels traffic can make up: they are bounded, and what is beyond them is `other`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from storescope.call import BackendInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import ResidencyDecision
    from storescope.middleware._cells import CounterLike, Labelled

OTHER = "other"
OTHER_BACKEND = BackendInfo(OTHER, region=OTHER)
"""Stands for the backends past the bound."""

MOST_ERROR_TYPES = 50
"""For each operation on each backend."""

MOST_DECISIONS = 1_000
"""Label sets of decisions; policies that are replaced bring new rules, a caller may claim any region."""

MOST_STRANGERS = 50
"""Backends that a router chose and nobody listed, for each operation."""

_MOST_REMEMBERED = 16_384  # decisions by identity; past this many they are forgotten together


_T = TypeVar("_T")
_CountDecision: TypeAlias = "tuple[Callable[[], None], Callable[[], None]]"


def by_member(backend: BackendInfo, make: Callable[[BackendInfo], _T]) -> Callable[[BackendInfo], _T]:
    """Return what finds the series of the member that a router chose; those that it lists are made now."""
    members = {member: make(member) for member in backend.members}
    most = len(members) + MOST_STRANGERS

    def chosen(member: BackendInfo) -> _T:
        known = members.get(member)
        if known is None:  # a router that did not list it
            if len(members) >= most:
                member = OTHER_BACKEND
            known = members[member] = members.get(member) or make(member)
        return known

    return chosen


class ErrorTypes:
    """The children of the errors of one operation on one backend."""

    def __init__(self, counter: Labelled[CounterLike], labels: tuple[str, ...]) -> None:
        self._counter = counter
        self._labels = labels
        self._known: dict[str, CounterLike] = {}

    def child(self, error_type: str) -> CounterLike:
        """Return what counts this type, or all that came too late for a series of their own."""
        child = self._known.get(error_type)
        if child is None:
            if len(self._known) >= MOST_ERROR_TYPES:
                return self._counter.labels(*self._labels, OTHER)
            child = self._known[error_type] = self._counter.labels(*self._labels, error_type)
        return child


class _Bounded:
    """A counter of which `MOST_DECISIONS` label sets have a series of their own."""

    def __init__(self, counter: Labelled[CounterLike], *, keep: int) -> None:
        """Bound it; beyond the bound, all labels but the first `keep` are `other`."""
        self._counter = counter
        self._keep = keep
        self._label_sets: set[tuple[str, ...]] = set()

    def child(self, *labels: str) -> CounterLike:
        """Return what counts one label set."""
        if labels not in self._label_sets:
            if len(self._label_sets) >= MOST_DECISIONS:
                others = (OTHER,) * (len(labels) - self._keep)
                return self._counter.labels(*labels[: self._keep], *others)
            self._label_sets.add(labels)
        return self._counter.labels(*labels)


class Decisions:
    """Counts residency decisions, by reason and by flow. The guard remembers them, so each has its count."""

    def __init__(self, counter: Labelled[CounterLike], flows: Labelled[CounterLike]) -> None:
        self.reasons = _Bounded(counter, keep=2)
        self.flows = _Bounded(flows, keep=1)
        self.counts: dict[ResidencyDecision, _CountDecision] = {}

    def remember(self, decision: ResidencyDecision) -> _CountDecision:
        """Return what counts a decision that was not seen before: its reason, and its flow."""
        if len(self.counts) >= _MOST_REMEMBERED:
            self.counts.clear()
        origin, place = decision.caller_region or "unknown", decision.backend_region or "unknown"
        reason = self.reasons.child(decision.effect, decision.code, decision.rule or "none", place)
        flow = self.flows.child(decision.effect, origin, place)
        counts = self.counts[decision] = reason.inc, flow.inc
        return counts
