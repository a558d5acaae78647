"""Each rule of grafana/dashboard-linter: what it lets pass, and what it finds on a panel of each kind."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from storescope import dashboards
from storescope.dashboards._lint import EXCEPTIONS, RULES, lint
from storescope.dashboards._read import panels

if TYPE_CHECKING:
    from collections.abc import Callable

BOARDS = {name: json.loads(text) for name, text in dashboards.build().items()}
KINDS = sorted({panel["type"] for board in BOARDS.values() for panel in panels(board)})


def broken(kind: str, spoil: Callable[[dict[str, Any]], object]) -> set[str]:
    """Spoil the first panel of a kind; return the rules that find something there."""
    board = copy.deepcopy(next(b for b in BOARDS.values() if any(p["type"] == kind for p in panels(b))))
    panel = next(panel for panel in panels(board) if panel["type"] == kind)
    spoil(panel)
    return {each.rule for each in lint(board) if each.excepted is None and each.where == panel["title"]}


def rewrite(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def spoil(panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            target["expr"] = target["expr"].replace(old, new)

    return spoil


def test_there_are_seventeen_rules_and_ours_pass_them(board: dict[str, Any]) -> None:
    assert len(RULES) == 17
    assert [str(each) for each in lint(board) if each.excepted is None] == []


def test_no_exception_is_left_over() -> None:
    used = {(each.rule, each.board, each.where) for b in BOARDS.values() for each in lint(b) if each.excepted}
    assert used == set(EXCEPTIONS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("panel-datasource-rule", lambda panel: panel["datasource"].update(uid="prom")),
        ("panel-title-description-rule", lambda panel: panel.update(description="")),
        ("panel-units-rule", lambda panel: panel["fieldConfig"]["defaults"].update(unit="furlongs")),
        ("panel-no-targets-rule", lambda panel: panel.update(targets=[])),
        ("target-logql-rule", lambda panel: panel["targets"][0]["datasource"].update(type="loki")),
        ("target-promql-rule", rewrite("(", "((")),
        ("target-promql-rule", rewrite('"$job"', '"$jobs"')),
        ("target-job-rule", rewrite('job=~"$job", ', "")),
        ("target-instance-rule", rewrite('instance=~"$instance"', 'instance="$instance"')),
    ],
)
def test_a_spoiled_panel_is_found(kind: str, rule: str, spoil: Callable[[dict[str, Any]], object]) -> None:
    assert rule in broken(kind, spoil)


@pytest.mark.parametrize("kind", ["timeseries", "stat", "heatmap"])
def test_a_fixed_window_is_found(kind: str) -> None:
    assert "target-rate-interval-rule" in broken(kind, rewrite("$__rate_interval", "5m"))


def test_a_fixed_window_of_loki_is_found() -> None:
    def spoil(panel: dict[str, Any]) -> None:
        panel["targets"] = [{"expr": 'rate({job="a"}[5m])', "datasource": {"type": "loki"}}]

    assert "target-logql-auto-rule" in broken("timeseries", spoil)


@pytest.mark.parametrize("kind", ["timeseries", "stat", "table"])
def test_a_bare_counter_is_found(kind: str) -> None:
    def spoil(panel: dict[str, Any]) -> None:
        panel["targets"][0]["expr"] = 'agent_storage_operations_total{job=~"$job", instance=~"$instance"}'

    assert "target-counter-agg-rule" in broken(kind, spoil)


@pytest.mark.parametrize(
    ("rule", "kind", "change"),
    [
        ("template-datasource-rule", "datasource", {"label": "Source"}),
        ("template-job-rule", "job", {"multi": False}),
        ("template-job-rule", "job", {"allValue": ".*"}),
        ("template-instance-rule", "instance", {"datasource": {"uid": "prom"}}),
        ("template-label-promql-rule", "region", {"definition": "label_values(a{, b)"}),
        ("template-label-promql-rule", "region", {"definition": "regions()"}),
        ("template-on-time-change-reload-rule", "backend", {"refresh": 1}),
    ],
)
def test_a_spoiled_variable_is_found(rule: str, kind: str, change: dict[str, Any]) -> None:
    board = copy.deepcopy(BOARDS["storage-traffic.json"])
    next(each for each in board["templating"]["list"] if each["name"] == kind).update(change)
    assert (rule, f"variable {kind}") in {(each.rule, each.where) for each in lint(board)}


@pytest.mark.parametrize("name", ["datasource", "job", "instance"])
def test_a_missing_variable_is_found(name: str) -> None:
    board = copy.deepcopy(BOARDS["storage-traffic.json"])
    board["templating"]["list"] = [each for each in board["templating"]["list"] if each["name"] != name]
    assert f"template-{name}-rule" in {each.rule for each in lint(board)}


def test_an_editable_dashboard_is_found() -> None:
    assert "uneditable-dashboard" in {
        each.rule for each in lint(BOARDS["storage-traffic.json"] | {"editable": True})
    }


@pytest.mark.parametrize("job", ["agents", 'a"b|c\\.d'])
def test_one_job_of_an_export_is_all_of_its_values(job: str) -> None:
    text = dashboards.build(dashboards.Objectives(job=job))["storage-traffic.json"]
    assert [str(each) for each in lint(json.loads(text)) if each.excepted is None] == []
