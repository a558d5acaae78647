"""Rules about queries. What an annotation asks is held to them, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from storescope.dashboards._errors import DashboardError
from storescope.dashboards._promql import descend, parse, promql, selectors
from storescope.dashboards._read import annotation_targets, panels, substitute, targets, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storescope.dashboards._read import BoardJson, Target

_RATES = frozenset({"rate", "irate"})
_GROWTHS = _RATES | {"increase"}
_RATE_INTERVAL = "7919s"  # told apart from every duration that somebody may have written
_FIXED_RANGE = re.compile(r"\[\s*\d")


def _queries(board: BoardJson) -> Iterator[Target]:
    yield from targets(board)
    yield from annotation_targets(board)


def _parsed(board: BoardJson) -> Iterator[tuple[Target, Any]]:
    """Return what can be parsed; what cannot is another rule's."""
    values = values_of(board, rate_interval=_RATE_INTERVAL)
    for target in _queries(board):
        try:
            yield target, parse(substitute(target.expr, values))
        except DashboardError:
            continue


def _is_loki(source: Any) -> bool:
    return isinstance(source, dict) and source.get("type") == "loki"


def _loki_targets(board: BoardJson) -> Iterator[tuple[str, str]]:
    for panel in panels(board):
        for target in panel.get("targets", ()):
            if _is_loki(target.get("datasource")) or _is_loki(panel.get("datasource")):
                yield panel.get("title", ""), target.get("expr", "")


def _logql(board: BoardJson) -> Iterator[tuple[str, str]]:
    for where, _ in _loki_targets(board):
        yield where, "asks Loki, whose language is not parsed here; keep such panels on a dashboard of their own"


def _logql_auto(board: BoardJson) -> Iterator[tuple[str, str]]:
    for where, expr in _loki_targets(board):
        if _FIXED_RANGE.search(expr):
            yield where, "looks back a fixed time; it must be [$__auto]"


def _promql(board: BoardJson) -> Iterator[tuple[str, str]]:
    values = values_of(board)
    for target in _queries(board):
        try:
            parse(substitute(target.expr, values))
        except DashboardError as error:
            yield target.panel, f"query {target.ref} cannot be parsed: {error}"


def _rate_interval(board: BoardJson) -> Iterator[tuple[str, str]]:
    wanted = promql.parse_duration(_RATE_INTERVAL)
    for target, query in _parsed(board):
        windows = (
            node.range
            for node, path in descend(query)
            if isinstance(node, promql.MatrixSelector) and _called(path) in _RATES
        )
        if any(window != wanted for window in windows):
            yield target.panel, f"query {target.ref} must take its rate over [$__rate_interval]"


def _matcher(label: str) -> Callable[[BoardJson], Iterator[tuple[str, str]]]:
    def rule(board: BoardJson) -> Iterator[tuple[str, str]]:
        values = values_of(board) | {label: f"${label}"}
        for target in _queries(board):
            try:
                found = list(selectors(parse(substitute(target.expr, values))))
            except DashboardError:
                continue  # another rule's
            if not all(_has_variable(selector, label) for selector in found):
                yield target.panel, f'query {target.ref} must select {label}=~"${label}" everywhere'

    return rule


def _has_variable(selector: Any, label: str) -> bool:
    return any(
        matcher.name == label and matcher.op == promql.MatchOp.Re and matcher.value == f"${label}"
        for matcher in selector.matchers.matchers
    )


def _counter(board: BoardJson) -> Iterator[tuple[str, str]]:
    for target, query in _parsed(board):
        for node, path in descend(query):
            counts = isinstance(node, promql.VectorSelector) and (node.name or "").endswith("_total")
            if counts and _called(path[:-1]) not in _GROWTHS:
                yield target.panel, f"query {target.ref} must look at {node.name} through rate or increase"


def _called(path: tuple[Any, ...]) -> str | None:
    """Return the function that is called right around a node."""
    return path[-1].func.name if path and isinstance(path[-1], promql.Call) else None


TARGET_RULES = {
    "target-logql-rule": _logql,
    "target-logql-auto-rule": _logql_auto,
    "target-promql-rule": _promql,
    "target-rate-interval-rule": _rate_interval,
    "target-job-rule": _matcher("job"),
    "target-instance-rule": _matcher("instance"),
    "target-counter-agg-rule": _counter,
}
