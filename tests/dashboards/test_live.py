"""Every query of every panel and variable, asked of a real Prometheus with live traffic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboards.grafana_json import Target, substitute, targets, values_of, variables
from tests.dashboards.prometheus_server import is_finite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.dashboards.prometheus_server import Prometheus

pytestmark = pytest.mark.unmeasured

SECONDS = 10
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
# Labels whose values hold what a regex would take for its own: dots.
CHOSEN = {
    "region": ("aws:eu-west-1", "aws:us-east-1"),
    "backend": "sessions",
    "operation": (
        "session.get",
        "session.update",
        "message.listBySession",
        "part.get",
        "sandbox.get",
        "setup.get",
    ),
}


def drawn(prometheus: Prometheus, target: Target, values: Mapping[str, str]) -> list[float]:
    """What Grafana would draw of a query."""
    expr = substitute(target.expr, values)
    return prometheus.samples(expr) if target.instant else prometheus.samples_over_time(expr, SECONDS)


def empty(prometheus: Prometheus, board: dict[str, Any], values: Mapping[str, str]) -> list[str]:
    """The queries without a finite sample. One of an unknown metric succeeds and returns nothing at all."""
    return [
        str(target)
        for target in targets(board)
        if not any(is_finite(sample) for sample in drawn(prometheus, target, values))
    ]


def test_every_query_returns_a_finite_sample(prometheus: Prometheus, board: dict[str, Any]) -> None:
    assert empty(prometheus, board, values_of(board)) == []


def test_every_query_works_with_chosen_values(prometheus: Prometheus, board: dict[str, Any]) -> None:
    instance = prometheus.label_values('up{job="agents"}', "instance")
    chosen = {"job": "agents", "instance": instance, **CHOSEN}
    assert empty(prometheus, board, values_of(board, chosen)) == []


def test_a_chosen_value_matches_only_itself(prometheus: Prometheus, board: dict[str, Any]) -> None:
    # A dot in a value is a dot: Grafana escapes it because the variable takes several values.
    escaped = values_of(board, {"job": "ag.nts"})
    assert empty(prometheus, board, escaped) == [str(target) for target in targets(board)]
    assert empty(prometheus, board, values_of(board) | {"job": "ag.nts"}) == []


def test_every_variable_has_values(prometheus: Prometheus, board: dict[str, Any]) -> None:
    values = values_of(board)
    for name, variable in variables(board, "query").items():
        question = _LABEL_VALUES.fullmatch(variable["definition"])
        assert question is not None, variable["definition"]
        assert question["label"] == name
        assert prometheus.label_values(substitute(question["selector"], values), question["label"]), name


def test_an_idle_store_gives_gaps_and_never_nan(prometheus: Prometheus, board: dict[str, Any]) -> None:
    idle = values_of(board, {"job": "idle"})
    odd = {
        str(target): samples
        for target in targets(board)
        if not all(map(is_finite, samples := drawn(prometheus, target, idle)))
    }
    assert odd == {}


def test_exemplars_lead_to_traces(prometheus: Prometheus, board: dict[str, Any]) -> None:
    values = values_of(board)
    asking = [target for target in targets(board) if target.exemplar]
    assert asking
    for target in asking:
        found = prometheus.exemplars(substitute(target.expr, values), SECONDS)
        assert any(len(labels.get("trace_id", "")) == 32 for labels in found), str(target)


def test_a_misspelt_metric_is_found(prometheus: Prometheus, board: dict[str, Any]) -> None:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            target["expr"] = target["expr"].replace("agent_storage_", "agent_storge_")
    misspelt = [str(target) for target in targets(board) if "agent_storge_" in target.expr]
    assert misspelt
    assert empty(prometheus, board, values_of(board)) == misspelt


def test_outcomes_are_measured_apart(prometheus: Prometheus) -> None:
    for outcome in ("ok", "not_found", "denied", "error", "cancelled"):
        expr = f'sum(rate(agent_storage_operations_total{{job="agents", outcome="{outcome}"}}[10s]))'
        assert any(sample > 0 for sample in prometheus.samples(expr)), outcome
