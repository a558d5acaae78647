"""What the audit logs of a process count, read when Prometheus asks rather than reported by every call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from storescope.middleware import _definitions as definitions
from storescope.middleware._audit._unaudited import Labels
from storescope.middleware._audit._writing._stats import AuditStats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.middleware._audit._layer import Audit
    from storescope.middleware._audit._writing._log import AuditLog


class AuditCollector(Collector):
    """Adds up the audit logs that stacks on one registry write to."""

    def __init__(self) -> None:
        self._logs: WeakSet[AuditLog] = WeakSet()
        self._layers: WeakSet[Audit] = WeakSet()

    def add(self, layer: Audit) -> None:
        """Count this layer and its logs too; adding one twice counts it once."""
        self._layers.add(layer)
        for log in layer.logs:
            self._logs.add(log)

    def describe(self) -> Iterable[Metric]:
        """Return the families without samples, so that a name given twice is refused when registering."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the families of this moment."""
        layers, logs = list(self._layers), list(self._logs)
        families = [_unaudited(layer.unaudited.counts() for layer in layers)] if layers else []
        return families + (_of_logs(logs) if logs else [])


def _of_logs(logs: list[AuditLog]) -> list[Metric]:
    stats = AuditStats.total(log.stats for log in logs)
    return [
        _counter(definitions.AUDIT_RECORDS, stats.records),
        _counter(definitions.AUDIT_FAILURES, stats.failures),
        _histogram(definitions.AUDIT_WAIT, stats),
        _gauge(definitions.AUDIT_LAST_SEAL, max(log.stats.last_seal for log in logs)),
        _gauge(definitions.AUDIT_DISK_FREE, min(log.disk_free_bytes() for log in logs)),
    ]


def _counter(metric: definitions.Metric, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for label, value in sorted(values.items()):
        family.add_metric([label], value)
    return family


def _unaudited(counts: Iterable[Counter[Labels]]) -> Metric:
    metric, total = definitions.UNAUDITED, Counter[Labels]()
    for each in counts:
        total.update(each)  # `+` would drop the zeros
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(total.items()):
        family.add_metric(labels, value)
    return family


def _gauge(metric: definitions.Metric, value: float) -> Metric:
    return GaugeMetricFamily(metric.name, metric.help, value=value)


def _histogram(metric: definitions.Metric, stats: AuditStats) -> Metric:
    bounds = [*(str(bound) for bound in metric.buckets), "+Inf"]
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, stats.waits, strict=True):
        total += count
        buckets.append((bound, total))
    return HistogramMetricFamily(metric.name, metric.help, buckets=buckets, sum_value=stats.wait_seconds)
