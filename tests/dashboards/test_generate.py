"""The committed JSON is what the code generates, and generation refuses what the metrics do not have."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storescope import MissingExtraError, dashboards
from storescope.dashboards import _board, _panels, _queries
from storescope.middleware._definitions import AUDIT_RECORDS, DURATION, LISTED, OPERATIONS

if TYPE_CHECKING:
    from pathlib import Path

REGENERATE = "python -c 'from storescope import dashboards; dashboards.write()'"
SPEC = _panels.Spec(id=1, title="t", shows="s", when_wrong="w", unit="s", width=16, height=4)


def test_the_committed_dashboards_are_up_to_date() -> None:
    committed = {path.name: path.read_text() for path in dashboards.GRAFANA.glob("*.json")}
    assert committed == dashboards.build(), f"run: {REGENERATE}"


def test_write_makes_the_folder(tmp_path: Path) -> None:
    written = dashboards.write(tmp_path / "new")
    assert {path.name: path.read_text() for path in written} == dashboards.build()


def test_the_package_imports_without_the_extra() -> None:
    code = """
import sys
sys.modules["grafana_foundation_sdk"] = None
from storescope import MissingExtraError, dashboards
try:
    dashboards.build()
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'storescope[dashboards]'" in done.stdout
    assert issubclass(MissingExtraError, ImportError)


def test_a_series_is_narrowed_by_every_variable_it_has() -> None:
    assert _queries.series(OPERATIONS, outcome="ok").expr == (
        'agent_storage_operations_total{job=~"$job", instance=~"$instance", region=~"$region", '
        'backend=~"$backend", operation=~"$operation", outcome="ok"}'
    )
    assert _queries.series(AUDIT_RECORDS, phase="seal").expr == (
        'agent_storage_audit_records_total{job=~"$job", instance=~"$instance", phase="seal"}'
    )


def test_a_renamed_label_breaks_generation() -> None:
    renamed = replace(OPERATIONS, labels=("op", "backend", "region", "outcome"))
    with pytest.raises(ValueError, match="no label 'operation' in"):
        _queries.series(renamed, operation="session.get")
    with pytest.raises(ValueError, match="no label 'operation' in"):
        _queries.total(_queries.rate(_queries.series(renamed)), "operation")


def test_only_a_histogram_has_parts() -> None:
    with pytest.raises(ValueError, match="it has no part '_bucket'"):
        _queries.series(OPERATIONS, "_bucket")
    with pytest.raises(ValueError, match="is a histogram: it has no part ''"):
        _queries.series(DURATION)
    with pytest.raises(ValueError, match="no label 'le'"):
        _queries.quantile(0.5, _queries.series(LISTED, "_sum"))


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="no call ends as"):
        _queries.series(OPERATIONS, outcome=("ok", "failed"))


def test_a_ratio_of_different_groups_is_refused() -> None:
    calls = _queries.rate(_queries.series(OPERATIONS))
    with pytest.raises(ValueError, match="matches no series"):
        _queries.ratio(_queries.total(calls, "operation"), _queries.total(calls))


def test_a_legend_names_only_labels_of_the_result() -> None:
    with pytest.raises(ValueError, match="no label 'backend'"):
        _panels.query(_queries.total(_queries.series(OPERATIONS), "operation"), "", "backend")


def test_panels_flow_into_lines_and_ids_are_unique() -> None:
    target = _panels.query(_queries.total(_queries.series(OPERATIONS)), "calls")
    first, second = (_panels.number(replace(SPEC, id=number), target) for number in (1, 2))
    row, *placed = _board.lay_out((_board.Row(10, "r", (first, second)),))
    places = [(item.grid_pos.x, item.grid_pos.y) for item in (row, *placed) if item.grid_pos]
    assert places == [(0, 0), (0, 1), (0, 5)]
    with pytest.raises(ValueError, match="an id is given twice"):
        list(_board.lay_out((_board.Row(1, "r", (first,)),)))
