"""Asks a running Prometheus everything that dashboards and rules would ask it.

A query of a metric that does not exist succeeds and returns nothing, so each must return a finite sample.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storescope.dashboards._errors import DashboardError
from storescope.dashboards._findings import Finding
from storescope.dashboards._prometheus_api import is_finite
from storescope.dashboards._promql import parse, selectors
from storescope.dashboards._read import (
    Target,
    annotation_targets,
    question,
    substitute,
    targets,
    values_of,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from promql_parser import VectorSelector

    from storescope.dashboards._prometheus_api import PrometheusApi, Series
    from storescope.dashboards._read import BoardJson

RULE = "live-query"
_POINTS = 200  # of a graph
_NOTHING = "returned no finite sample"


@dataclass(frozen=True, slots=True)
class Span:
    """What to look at.

    Attributes:
        seconds: How far back, in whole seconds.
        rate_seconds: The window of rates, in whole seconds; Grafana's own is four scrapes at least.
        end: Until when, in seconds since 1970.
    """

    seconds: int
    rate_seconds: int
    end: float

    @property
    def start(self) -> float:
        """From when on, in seconds since 1970."""
        return self.end - self.seconds

    @property
    def step(self) -> int:
        """How far the points of a graph are apart, in whole seconds."""
        return max(1, self.seconds // _POINTS)

    @classmethod
    def until_now(cls, seconds: int, rate_seconds: int) -> Span:
        """Return the last seconds."""
        return cls(seconds, rate_seconds, time.time())

    def values(self, board: BoardJson, chosen: Mapping[str, str | Sequence[str]] | None = None) -> dict[str, str]:
        """Return what stands for each variable of a dashboard."""
        durations = {"rate_interval": f"{self.rate_seconds}s", "time_range": f"{self.seconds}s"}
        return values_of(board, chosen, **durations)


def ask(api: PrometheusApi, target: Target, span: Span, values: Mapping[str, str]) -> list[Series]:
    """Return what Grafana would draw of a query.

    Raises:
        DashboardError: If the Prometheus does not answer or refuses it, or a variable is not defined.
    """
    expr = substitute(target.expr, values)
    if target.instant:
        return api.instant(expr, span.end)
    return api.over_time(expr, span.start, span.end, span.step)


def check_board(
    api: PrometheusApi, board: BoardJson, span: Span, chosen: Mapping[str, str | Sequence[str]] | None = None
) -> Iterator[Finding | None]:
    """Run every query of every panel, annotation and variable of a dashboard.

    Args:
        api: The Prometheus.
        board: The dashboard.
        span: What to look at.
        chosen: Values of variables; the others take all.

    Returns:
        For each query None, or what is wrong.
    """
    values = span.values(board, chosen)
    for target in (*targets(board), *annotation_targets(board)):
        yield _finding(board["title"], f"{target.panel} [{target.ref}]", _problem(api, target, span, values))
    for name, variable in variables(board, "query").items():
        asked = question(variable)
        found = asked and api.label_values(substitute(asked.selector, values), asked.label, span.start, span.end)
        yield _finding(board["title"], f"variable {name}", None if found else "has no values")


def check_rules(api: PrometheusApi, file: str, groups: Mapping[str, Any], span: Span) -> Iterator[Finding | None]:
    """Run every recording rule of a file, and look for the series of every alert: a quiet alert returns nothing.

    Args:
        api: The Prometheus.
        file: The file's name.
        groups: The file, parsed.
        span: What to look at.

    Returns:
        For each rule None, or what is wrong.
    """
    for group in groups["groups"]:
        for rule in group["rules"]:
            name = rule.get("record") or rule["alert"]
            exprs = [rule["expr"]] if "record" in rule else sorted(_selected(rule["expr"]))
            problems = [
                problem for expr in exprs if (problem := _problem(api, Target(file, name, "", expr), span, {}))
            ]
            yield _finding(file, name, problems[0] if problems else None)


def _selected(expr: str) -> set[str]:
    return {_now(selector) for selector in selectors(parse(expr))}


def _now(selector: VectorSelector) -> str:
    """Write a selection as of now: what an alert looks at six hours ago may not have been scraped yet."""
    text = selector.prettify()
    return text if selector.offset is None else text.rpartition(" offset ")[0]


def _problem(api: PrometheusApi, target: Target, span: Span, values: Mapping[str, str]) -> str | None:
    try:
        answer = ask(api, target, span, values)
    except DashboardError as error:
        return str(error)
    finite = any(is_finite(value) for series in answer for _, value in series.points)
    return None if finite else f"{_NOTHING}: {substitute(target.expr, values)}"


def _finding(board: str, where: str, problem: str | None) -> Finding | None:
    return None if problem is None else Finding(RULE, board, where, problem)
