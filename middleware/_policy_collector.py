"""The residency policies in force, read when Prometheus asks: one that was replaced leaves no series."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storescope.middleware import _definitions as definitions
from storescope.middleware._region._file import PolicyFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.middleware import ResidencyPolicy
    from storescope.middleware._region._file import ReloadStats
    from storescope.middleware._region._guard import RegionGuard


class PolicyCollector(Collector):
    """Tells of the policies by which the guards of stacks on one registry decide."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._guards: WeakSet[RegionGuard] = WeakSet()
        self._reloads: set[ReloadStats] = set()

    def add(self, guard: RegionGuard) -> None:
        """Tell of this guard's policy too."""
        with self._lock:
            self._guards.add(guard)
            if isinstance(guard.source, PolicyFile):
                self._reloads.add(guard.source.stats)

    def describe(self) -> Iterable[Metric]:
        """Return the families, so that a name given twice is refused when registering."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the families of this moment."""
        with self._lock:
            policies = {guard.policy.digest: guard.policy for guard in self._guards}.values()
            refused = any(isinstance(each.source, PolicyFile) and each.source.refused for each in self._guards)
            failures = sum(stats.failures for stats in self._reloads)
        return [
            _gauge(definitions.POLICY_INFO, {(each.version, each.digest): 1 for each in policies}),
            _gauge(definitions.EXCEPTION_EXPIRY, _ends(policies, time.time())),
            CounterMetricFamily(
                definitions.RELOAD_FAILURES.name, definitions.RELOAD_FAILURES.help, value=failures
            ),
            _gauge(definitions.POLICY_REFUSED, {(): refused}),
        ]


def _ends(policies: Iterable[ResidencyPolicy], now: float) -> dict[tuple[str, ...], float]:
    """Return when each exception ends that has not ended; the first end, if two policies share an id."""
    exceptions = [exception for policy in policies for exception in policy.exceptions if exception.expires > now]
    latest_first = sorted(exceptions, key=lambda each: -each.expires)
    return {(exception.id,): exception.expires for exception in latest_first}


def _gauge(metric: definitions.Metric, values: dict[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
