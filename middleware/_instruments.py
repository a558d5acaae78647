"""The collectors of one prometheus-client registry, shared by every stack that uses it."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.values import MutexValue, ValueClass

from storescope.contract import OPERATIONS
from storescope.middleware import _definitions as definitions
from storescope.middleware._audit_collector import AuditCollector
from storescope.middleware._bounded import Decisions, ErrorTypes
from storescope.middleware._cells import Cells, CounterCell, GaugeCell, HistogramCell
from storescope.middleware._log import telemetry_failed
from storescope.middleware._policy_collector import PolicyCollector
from storescope.replays import add_replay_listener
from storescope.reports import add_listener

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from storescope import BackendInfo
    from storescope.middleware._cells import CounterLike, GaugeLike, HistogramLike, Labelled
    from storescope.middleware._definitions import Metric
    from storescope.replays import Replay
    from storescope.reports import Count

_IN_FILES = ValueClass is not MutexValue  # prometheus-client's multi-process mode


class Instruments:
    """Every collector, made once per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.operations = _counter(definitions.OPERATIONS, registry)
        self.duration = _histogram(definitions.DURATION, registry)
        self.backend_duration = _histogram(definitions.BACKEND_DURATION, registry)
        self.in_flight = _gauge(definitions.IN_FLIGHT, registry)
        self.errors = _counter(definitions.ERRORS, registry)
        self.listed = _histogram(definitions.LISTED, registry)
        self.record_bytes = _histogram(definitions.RECORD_BYTES, registry)
        self.replays = ReplayCounts(registry)
        add_replay_listener(self.replays)
        self.backends = BackendCounts(registry)
        add_listener(self.backends)
        self.decisions = Decisions(
            _counter(definitions.DECISIONS, registry), _counter(definitions.FLOWS, registry)
        )
        self._error_types: dict[tuple[str, ...], ErrorTypes] = {}
        self.policies = PolicyCollector()
        registry.register(self.policies)
        self.audit = AuditCollector()
        registry.register(self.audit)
        _gauge(definitions.BUILD_INFO, registry).labels(version("storescope")).set(1)

    def error_types(self, labels: tuple[str, ...]) -> ErrorTypes:
        """Return what counts the errors of an operation on a backend, for every stack that has them."""
        known = self._error_types.get(labels)
        if known is None:
            known = self._error_types[labels] = ErrorTypes(self.errors, labels)
        return known


class BackendCounts:
    """What the process's backends count of themselves, as metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._collectors: dict[Count, Labelled[CounterLike]] = {
            "retries": _counter(definitions.RETRIES, registry),
            "update_conflicts": _counter(definitions.UPDATE_CONFLICTS, registry),
            "connections_open": _gauge(definitions.CONNECTIONS_OPEN, registry),
            "connections_waiting": _gauge(definitions.CONNECTIONS_WAITING, registry),
        }

    def __call__(self, info: BackendInfo, count: Count, amount: int) -> None:
        """Add to one of them; two backends of one name add up."""
        try:
            self._collectors[count].labels(*info.labels).inc(amount)
        except Exception as error:
            telemetry_failed("metrics", error)


class ReplayCounts:
    """What workflow engines answered from their logs, as a metric."""

    def __init__(self, registry: CollectorRegistry) -> None:
        replayed = _counter(definitions.REPLAYED, registry)
        self._count = {name: replayed.labels(name).inc for name in OPERATIONS}  # each starts at 0

    def __call__(self, replay: Replay) -> None:
        """Count one."""
        try:
            self._count[replay.operation]()
        except Exception as error:
            telemetry_failed("metrics", error)


_made: WeakKeyDictionary[CollectorRegistry, Instruments] = WeakKeyDictionary()
_lock = Lock()


def instruments_of(registry: CollectorRegistry) -> Instruments:
    """Return the registry's instruments; the first call makes them."""
    with _lock:
        instruments = _made.get(registry)
        if instruments is None:
            instruments = _made[registry] = Instruments(registry)
        return instruments


def _counter(metric: Metric, registry: CollectorRegistry) -> Labelled[CounterLike]:
    if _IN_FILES:
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    return Cells(metric, CounterCell, registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Labelled[GaugeLike]:
    if _IN_FILES:
        mode = metric.across_processes
        return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode)
    return Cells(metric, GaugeCell, registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Labelled[HistogramLike]:
    if _IN_FILES:
        return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
    return Cells(metric, partial(HistogramCell, metric.buckets), registry)
