"""Counters whose labels traffic can make up: they are bounded, and what is beyond them is `other`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.call import BackendInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter

    from storescope.call import ResidencyDecision

OTHER = "other"
OTHER_BACKEND = BackendInfo(OTHER, region=OTHER)
"""Stands for the backends past the bound."""

MOST_ERROR_TYPES = 50
"""For each operation on each backend."""

MOST_DECISIONS = 1_000
"""Label sets of decisions; a policy that is replaced again and again brings new rules."""

MOST_STRANGERS = 50
"""Backends that a router chose and nobody listed, for each operation."""

_MOST_REMEMBERED = 4_096  # decisions by identity; past this many they are forgotten together


class ErrorTypes:
    """The children of the errors of one operation on one backend."""

    def __init__(self, counter: Counter, labels: tuple[str, ...]) -> None:
        self._counter = counter
        self._labels = labels
        self._known: dict[str, Counter] = {}

    def child(self, error_type: str) -> Counter:
        """Return what counts this type, or all that came too late for a series of their own."""
        child = self._known.get(error_type)
        if child is None:
            if len(self._known) >= MOST_ERROR_TYPES:
                return self._counter.labels(*self._labels, OTHER)
            child = self._known[error_type] = self._counter.labels(*self._labels, error_type)
        return child


class Decisions:
    """Counts residency decisions. The guard remembers its decisions, so each has its count at hand."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._label_sets: set[tuple[str, ...]] = set()
        self.counts: dict[ResidencyDecision, Callable[[], None]] = {}

    def remember(self, decision: ResidencyDecision) -> Callable[[], None]:
        """Return what counts a decision that was not seen before."""
        if len(self.counts) >= _MOST_REMEMBERED:
            self.counts.clear()
        labels = decision.effect, decision.code, decision.rule or "none", decision.backend_region or "unknown"
        child = self.child(*labels)
        self.counts[decision] = child.inc
        return child.inc

    def child(self, effect: str, code: str, rule: str, backend_region: str) -> Counter:
        """Return what counts one label set; beyond the bound, rule and region are `other`."""
        labels = (effect, code, rule, backend_region)
        if labels not in self._label_sets:
            if len(self._label_sets) >= MOST_DECISIONS:
                return self._counter.labels(effect, code, OTHER, OTHER)
            self._label_sets.add(labels)
        return self._counter.labels(*labels)
