"""Turns samples of storescope's metrics into the series of the charts."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from storescope.middleware import _definitions as metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

ALL = ""
"""The name under which all operations are added up."""

_WINDOW = 5  # samples between which a rate is taken: ten seconds
_QUANTILES = (0.5, 0.95, 0.99)
_MOST_OPERATIONS = 100
_DENIALS = frozenset({"deny", "would_deny"})


@dataclass(slots=True)
class Counts:
    """Of one operation, what was counted until then."""

    calls: float = 0.0
    errors: float = 0.0
    denied: float = 0.0
    in_flight: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict[float, float])


@dataclass(slots=True)
class Sample:
    """What one poll found.

    Attributes:
        time: When, in seconds since 1970.
        operations: By operation, and all together under `ALL`.
        denials: Residency denials by their code.
    """

    time: float
    operations: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    denials: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @classmethod
    def of(cls, now: float, families: Iterable[Metric]) -> Self:
        """Take from an exposition what the charts need."""
        made = cls(now)
        takes = {
            metrics.OPERATIONS.name: made._outcome,
            metrics.IN_FLIGHT.name: made._in_flight,
            f"{metrics.DURATION.name}_bucket": made._bucket,
            metrics.DECISIONS.name: made._decision,
        }
        for family in families:
            for sample in family.samples:
                take = takes.get(sample.name)
                if take is not None:
                    take(sample.labels, sample.value)
        return made

    def _of(self, labels: dict[str, str]) -> tuple[Counts, ...]:
        name = labels.get("operation", "")
        if not name or (name not in self.operations and len(self.operations) > _MOST_OPERATIONS):
            return (self.operations[ALL],)
        return self.operations[name], self.operations[ALL]

    def _outcome(self, labels: dict[str, str], value: float) -> None:
        outcome = labels.get("outcome")
        for counts in self._of(labels):
            counts.calls += value
            counts.errors += value if outcome == "error" else 0
            counts.denied += value if outcome == "denied" else 0

    def _in_flight(self, labels: dict[str, str], value: float) -> None:
        for counts in self._of(labels):
            counts.in_flight += value

    def _bucket(self, labels: dict[str, str], value: float) -> None:
        bound = float(labels.get("le", "inf"))
        for counts in self._of(labels):
            counts.buckets[bound] = counts.buckets.get(bound, 0.0) + value

    def _decision(self, labels: dict[str, str], value: float) -> None:
        if labels.get("decision") in _DENIALS:
            self.denials[labels.get("code", "")] += value


@dataclass(frozen=True, slots=True)
class _Point:
    """What the charts show at one time; of each operation one value a line of `_LINES`."""

    time: float
    operations: dict[str, tuple[float | None, ...]]
    denials: dict[str, float]


class Series:
    """Keeps what the charts draw, for as many samples as it is told."""

    def __init__(self, most: int) -> None:
        self._recent: deque[Sample] = deque(maxlen=_WINDOW + 1)
        self._points: deque[_Point] = deque(maxlen=most)

    def add(self, sample: Sample) -> None:
        """Take the next sample."""
        self._recent.append(sample)
        if len(self._recent) > 1:
            self._points.append(_point(self._recent[0], sample))

    def to_dict(self) -> dict[str, Any]:
        """Return `times`, `operations` by name (only those that were called) and `denials` by code.

        Each value is that of the ten seconds before its time; None where there is nothing to tell, as with
        quantiles while nothing is called.
        """
        points = list(self._points)
        last = self._recent[-1] if self._recent else Sample(0.0)
        called = sorted(name for name, counts in last.operations.items() if counts.calls)
        codes = sorted(code for code, count in last.denials.items() if count)
        return {
            "times": [point.time for point in points],
            "operations": {
                name: {
                    "calls": last.operations[name].calls,
                    **{line: [point.operations.get(name, _NOTHING)[at] for point in points] for at, line in _AT},
                }
                for name in called
            },
            "denials": {code: [point.denials.get(code, 0.0) for point in points] for code in codes},
        }


_LINES = ("rate", "errors", "denied", "in_flight", *(f"p{quantile * 100:.0f}" for quantile in _QUANTILES))
_AT = tuple(enumerate(_LINES))
_NOTHING: tuple[float | None, ...] = (0.0, 0.0, 0.0, 0.0, *(None for _ in _QUANTILES))


def _point(before: Sample, after: Sample) -> _Point:
    seconds = max(after.time - before.time, 1e-3)
    operations: dict[str, tuple[float | None, ...]] = {}
    for name, now in after.operations.items():
        then = before.operations.get(name) or Counts()
        rates = (
            _grown(getattr(then, what), getattr(now, what)) / seconds for what in ("calls", "errors", "denied")
        )
        operations[name] = (*rates, now.in_flight, *_quantiles(then.buckets, now.buckets))
    denials = {
        code: _grown(before.denials.get(code, 0.0), count) / seconds for code, count in after.denials.items()
    }
    return _Point(after.time, operations, denials)


def _grown(before: float, after: float) -> float:
    """Return by how much a counter grew; one that fell was started anew."""
    return after - before if after >= before else after


def _quantiles(before: dict[float, float], after: dict[float, float]) -> list[float | None]:
    """Return quantiles of a histogram's growth in ms, as Prometheus' `histogram_quantile` has them."""
    grown = [(bound, _grown(before.get(bound, 0.0), after[bound])) for bound in sorted(after)]
    total = grown[-1][1] if grown else 0.0
    if not total:
        return [None] * len(_QUANTILES)
    return [_quantile(grown, quantile * total) for quantile in _QUANTILES]


def _quantile(grown: list[tuple[float, float]], rank: float) -> float | None:
    first_bound, first_count = grown[0]
    if rank <= first_count:
        return first_bound * 1e3 * rank / first_count if first_bound != float("inf") else None
    for (low, below), (high, count) in pairwise(grown):
        if rank <= count:
            if high == float("inf"):
                return low * 1e3
            return (low + (high - low) * (rank - below) / (count - below)) * 1e3
    return None
