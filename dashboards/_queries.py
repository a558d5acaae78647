"""PromQL built from the metric definitions: a metric or label that is renamed there breaks generation here.

Every expression remembers which labels its result carries, so that a grouping, a ratio or a legend that
names another one is refused when the dashboard is generated, not when someone looks at an empty panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from storescope.outcome import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope.middleware._definitions import Metric

INTERVAL = "$__rate_interval"
"""The window of a rate that is drawn over time: Grafana keeps it at four scrapes or more."""

RANGE = "$__range"
"""The whole time range of the dashboard."""

TARGET_LABELS = ("job", "instance")
"""The labels that Prometheus puts on every series it scrapes."""

VARIABLES = (*TARGET_LABELS, "region", "backend", "operation")
"""The labels that a dashboard has a variable for."""

_SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
Suffix: TypeAlias = Literal["", "_bucket", "_sum", "_count"]


@dataclass(frozen=True, slots=True)
class Vector:
    """An expression, and the labels that its result carries.

    Attributes:
        expr: The PromQL.
        labels: The names of the labels.
    """

    expr: str
    labels: frozenset[str]

    def require(self, *labels: str) -> None:
        """Refuse a label that the result does not carry."""
        for label in labels:
            if label not in self.labels:
                raise ValueError(f"no label {label!r} in {self.expr}; there are {sorted(self.labels)}")


def series(metric: Metric, suffix: Suffix = "", /, **labels: str | tuple[str, ...]) -> Vector:
    """Select a metric's series, narrowed by every variable that the metric has a label for.

    Args:
        metric: Its definition.
        suffix: Which part of a histogram.
        **labels: What a label must be; a tuple for one of several.

    Raises:
        ValueError: If the metric has no such part or label, or no call ever has such an outcome.
    """
    known = _labels(metric, suffix)
    matchers = [f'{name}=~"${name}"' for name in VARIABLES if name in known]
    if "backend_region" in known:  # the region of a decision is the backend's, as everywhere else
        matchers.append('backend_region=~"$region"')
    return _select(metric, suffix, matchers, labels)


def series_of(job: str, metric: Metric, suffix: Suffix = "", /, **labels: str | tuple[str, ...]) -> Vector:
    """Select a metric's series for a rule, which knows no variables: those of the job.

    Args:
        job: A regular expression.
        metric: Its definition.
        suffix: Which part of a histogram.
        **labels: What a label must be; a tuple for one of several.

    Raises:
        ValueError: If the metric has no such part or label, or no call ever has such an outcome.
    """
    return _select(metric, suffix, [f"job=~{quoted(job)}"], labels)


def quoted(text: str) -> str:
    """Write a string as PromQL does."""
    return f'"{escaped(text)}"'


def _labels(metric: Metric, suffix: Suffix) -> frozenset[str]:
    return frozenset((*TARGET_LABELS, *metric.labels, *(("le",) if suffix == "_bucket" else ())))


def _select(
    metric: Metric, suffix: Suffix, matchers: list[str], labels: Mapping[str, str | tuple[str, ...]]
) -> Vector:
    if suffix not in _SUFFIXES[metric.kind]:
        raise ValueError(f"{metric.name} is a {metric.kind}: it has no part {suffix!r}")
    vector = Vector(metric.name + suffix, _labels(metric, suffix))
    vector.require(*labels)
    chosen = [_matcher(name, value) for name, value in labels.items()]
    return Vector(f"{vector.expr}{{{', '.join([*matchers, *chosen])}}}", vector.labels)


def escaped(text: str) -> str:
    """Write a string as it stands between PromQL's quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _matcher(label: str, value: str | tuple[str, ...]) -> str:
    values = (value,) if isinstance(value, str) else value
    if label == "outcome" and not set(values) <= set(OUTCOMES):
        raise ValueError(f"no call ends as {values}; outcomes are {OUTCOMES}")
    return f'{label}="{value}"' if isinstance(value, str) else f'{label}=~"{"|".join(value)}"'


def rate(counter: Vector, window: str = INTERVAL) -> Vector:
    """How much a counter grew per second."""
    return Vector(f"rate({counter.expr}[{window}])", counter.labels)


def increase(counter: Vector, window: str = RANGE) -> Vector:
    """How much a counter grew."""
    return Vector(f"increase({counter.expr}[{window}])", counter.labels)


def total(vector: Vector, *by: str) -> Vector:
    """Add up, keeping the labels `by`."""
    return _aggregate("sum", vector, by)


def _aggregate(how: str, vector: Vector, by: tuple[str, ...]) -> Vector:
    vector.require(*by)
    grouping = f" by ({', '.join(by)}) " if by else ""
    return Vector(f"{how}{grouping}({vector.expr})", frozenset(by))


def ratio(part: Vector, whole: Vector) -> Vector:
    """Divide. Where there is nothing to divide by there is no answer, so 0/0 gives a gap and not NaN."""
    if part.labels != whole.labels:
        raise ValueError(f"a ratio of {sorted(part.labels)} over {sorted(whole.labels)} matches no series")
    return Vector(f"{part.expr} / ({whole.expr} > 0)", part.labels)


def quantile(share: float, buckets: Vector, *by: str) -> Vector:
    """Estimate a quantile of a histogram. The comparison drops the NaN of an idle one."""
    buckets.require("le")
    grouped = total(buckets, *by, "le")
    return Vector(f"histogram_quantile({share:g}, {grouped.expr}) >= 0", frozenset(by))


def whole(growth: Vector) -> Vector:
    """Round a growth to whole things: `increase` extrapolates to the ends of its window, two become 2.1."""
    return Vector(f"round({growth.expr})", growth.labels)


def scaled(vector: Vector, text: str) -> Vector:
    """Write an expression around another: `{}` stands for it. Its labels stay."""
    return Vector(text.format(vector.expr), vector.labels)


def less(whole: Vector, part: Vector) -> Vector:
    """Subtract; never below 0, which what is counted at different moments could be."""
    if part.labels != whole.labels:
        raise ValueError(f"{sorted(whole.labels)} less {sorted(part.labels)} matches no series")
    return Vector(f"clamp_min({whole.expr} - {part.expr}, 0)", whole.labels)


def smallest(vector: Vector, *by: str) -> Vector:
    """Keep the smallest, with the labels `by`."""
    return _aggregate("min", vector, by)


def top(count: int, vector: Vector) -> Vector:
    """Keep the largest that are not zero."""
    return Vector(f"topk({count}, {vector.expr} > 0)", vector.labels)


def budget_left(error_ratio: Vector, objective: str) -> Vector:
    """Return which share of the error budget is unspent; below 0 the objective is broken."""
    return Vector(f"1 - ({error_ratio.expr}) / (1 - {objective})", error_ratio.labels)
