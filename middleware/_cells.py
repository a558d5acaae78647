"""Counters, gauges and histograms of one process: what prometheus-client's do, with one lock for each series.

Its own check with every update what is known here, and a histogram's takes several locks: a third of what counting
a call cost. In its multi-process mode, where values lie in files, they are used all the same (`_instruments.py`).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from itertools import accumulate
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry

    from storescope.middleware._definitions import Metric


class CounterLike(Protocol):
    """What counts, here or in prometheus-client."""

    def inc(self, amount: float = 1) -> None:
        """Add to it."""


class GaugeLike(CounterLike, Protocol):
    """What goes up and down."""

    def dec(self, amount: float = 1) -> None:
        """Take from it."""

    def set(self, value: float) -> None:
        """Set it."""


class HistogramLike(Protocol):
    """What observes amounts."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Observe one."""


_Series_co = TypeVar("_Series_co", covariant=True)


class Labelled(Protocol[_Series_co]):
    """The series of one metric."""

    def labels(self, *values: str) -> _Series_co:
        """Return the series with these labels, in the metric's order; it is made on first use."""
        ...


class Reading(NamedTuple):
    """One value of a series: what is added to the metric's name and labels, and the exemplar that goes with it."""

    suffix: str
    value: float
    labels: Mapping[str, str] = {}
    exemplar: Exemplar | None = None


class _Number:
    """One number and its lock."""

    __slots__ = ("_lock", "_value")

    def __init__(self) -> None:
        self._lock = Lock()
        self._value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add to it."""
        with self._lock:
            self._value += amount


class CounterCell(_Number):
    """One counter; nothing negative is added to it."""

    __slots__ = ()

    def read(self) -> Iterator[Reading]:
        """Return its value of this moment."""
        yield Reading("_total", self._value)


class GaugeCell(_Number):
    """One gauge."""

    __slots__ = ()

    def dec(self, amount: float = 1) -> None:
        """Take from it."""
        with self._lock:
            self._value -= amount

    def set(self, value: float) -> None:
        """Set it."""
        with self._lock:
            self._value = value

    def read(self) -> Iterator[Reading]:
        """Return its value of this moment."""
        yield Reading("", self._value)


class HistogramCell:
    """One histogram. Each bucket keeps the latest exemplar that fell into it."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_lock", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Begin with nothing observed.

        Args:
            bounds: The buckets' upper bounds, in order, without infinity.
        """
        self._bounds = bounds
        self._lock = Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[tuple[dict[str, str], float, float] | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Observe an amount, perhaps with an exemplar's labels, 128 characters at most (OpenMetrics)."""
        bucket = bisect_left(self._bounds, amount)
        with self._lock:
            self._sum += amount
            self._counts[bucket] += 1
            if exemplar is not None:
                self._exemplars[bucket] = exemplar, amount, time.time()

    def read(self) -> Iterator[Reading]:
        """Return its values of this moment."""
        with self._lock:
            counts, exemplars, total = list(self._counts), list(self._exemplars), self._sum
        for bound, below, exemplar in zip((*self._bounds, inf), accumulate(counts), exemplars, strict=True):
            le = floatToGoString(bound)  # type: ignore[no-untyped-call] # it has no annotations
            yield Reading("_bucket", float(below), {"le": le}, Exemplar(*exemplar) if exemplar else None)
        yield Reading("_count", float(sum(counts)))
        yield Reading("_sum", total)


class _Readable(Protocol):
    def read(self) -> Iterator[Reading]:
        """Return its values of this moment."""
        ...


_Cell = TypeVar("_Cell", bound=_Readable)


class Cells(Collector, Generic[_Cell]):
    """The series of one metric of one registry."""

    def __init__(self, metric: Metric, make: Callable[[], _Cell], registry: CollectorRegistry) -> None:
        """Register it.

        Args:
            metric: Which one.
            make: Makes a series.
            registry: Where it is registered.

        Raises:
            ValueError: If the registry has its name already.
        """
        self._metric = metric
        self._name = metric.name.removesuffix("_total")
        self._make = make
        self._lock = Lock()
        self._cells: dict[tuple[str, ...], _Cell] = {}
        registry.register(self)

    def labels(self, *values: str) -> _Cell:
        """Return the series with these labels, in the metric's order; it is made on first use."""
        with self._lock:
            cell = self._cells.get(values)
            if cell is None:
                cell = self._cells[values] = self._make()
            return cell

    def describe(self) -> list[Family]:
        """Return the family without samples, so that a name given twice is refused when registering."""
        return [Family(self._name, self._metric.help, self._metric.kind)]

    def collect(self) -> list[Family]:
        """Return the family of this moment."""
        (family,) = self.describe()
        with self._lock:
            cells = list(self._cells.items())
        for values, cell in cells:
            labels = dict(zip(self._metric.labels, values, strict=True))
            for each in cell.read():
                family.add_sample(
                    self._name + each.suffix, {**labels, **each.labels}, each.value, exemplar=each.exemplar
                )
        return [family]
