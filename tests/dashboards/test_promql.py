"""Every query read by a PromQL parser: what it selects, over which window, and what it divides by."""

from __future__ import annotations

from typing import Any

import promql_parser
import pytest
from promql_parser import BinaryExpr, MatchOp, MatrixSelector, VectorSelector

from storescope.dashboards._errors import DashboardError
from storescope.dashboards._read import Target, substitute, targets, values_of
from storescope.middleware._definitions import METRICS

LABELS = {
    metric.name + suffix: {"job", "instance", *metric.labels}
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}
VARIABLES = {"job", "instance", "region", "backend", "operation"}


def nodes(expr: str) -> list[Any]:
    """Every node of an expression; the names of label variables are left in their matchers."""
    found: list[Any] = []
    kept = {name: f"${name}" for name in VARIABLES}
    ready = substitute(expr, {"__rate_interval": "4s", "__range": "15s", "objective": "0.999"} | kept)
    promql_parser.walk(promql_parser.parse(ready), found.append)
    return found


def selectors(target: Target) -> list[VectorSelector]:
    """Every selector of a query."""
    return [node for node in nodes(target.expr) if isinstance(node, VectorSelector)]


def test_every_query_parses_and_selects_known_metrics(board: dict[str, Any]) -> None:
    for target in targets(board):
        found = selectors(target)
        assert found, str(target)
        assert {selector.name for selector in found} <= set(LABELS), str(target)


def test_every_selector_matches_every_variable_as_a_regex(board: dict[str, Any]) -> None:
    for target in targets(board):
        for selector in selectors(target):
            assert selector.name is not None
            matchers = {(each.name, str(each.op), each.value) for each in selector.matchers.matchers}
            assert {name for name, _, _ in matchers} <= LABELS[selector.name], str(target)
            for name in VARIABLES & LABELS[selector.name]:
                assert (name, str(MatchOp.Re), f"${name}") in matchers, str(target)


def test_counters_are_only_looked_at_through_a_window(board: dict[str, Any]) -> None:
    for target in targets(board):
        found = nodes(target.expr)
        windowed = {str(node.vector_selector) for node in found if isinstance(node, MatrixSelector)}
        for selector in selectors(target):
            counts = (selector.name or "").endswith(("_total", "_bucket", "_sum", "_count"))
            assert (str(selector) in windowed) == counts, str(target)


def test_a_window_fits_the_kind_of_query(board: dict[str, Any]) -> None:
    for target in targets(board):
        other = "$__rate_interval" if target.instant else "$__range"
        assert f"[{other}]" not in target.expr, str(target)


def test_ratios_guard_their_divisor(board: dict[str, Any]) -> None:
    unguarded = [str(target) for target in targets(board) if not all(map(guarded, divisors(target.expr)))]
    assert unguarded == []
    assert any(divisors(target.expr) for target in targets(board))


def test_an_unguarded_divisor_is_found() -> None:
    assert not all(map(guarded, divisors("a / b")))
    assert all(map(guarded, divisors("a / (b > 0)")))
    assert all(map(guarded, divisors("a / (1 - 0.9)")))


def divisors(expr: str) -> list[Any]:
    """What an expression divides by."""
    return [node.rhs for node in nodes(expr) if isinstance(node, BinaryExpr) and str(node.op) == "/"]


def guarded(divisor: Any) -> bool:
    """Whether a divisor is a fixed number, or is compared with zero so that 0/0 has no answer."""
    text = str(divisor)
    return text.endswith("> 0)") or not any(isinstance(node, VectorSelector) for node in nodes(text))


def test_every_dashboard_variable_in_a_query_is_defined(board: dict[str, Any]) -> None:
    for target in targets(board):
        assert "$" not in substitute(target.expr, values_of(board))
    with pytest.raises(DashboardError, match=r"no variable \$jobs is defined"):
        substitute("up{job=~'$jobs'}", values_of(board))
