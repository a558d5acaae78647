"""What a reader of a dashboard needs: nothing overlaps, everything is named, explained and has a unit."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from storescope.dashboards._read import annotation_targets, panels, variables

VARIABLES = ["job", "instance", "region", "backend", "operation"]


def test_ids_are_unique(board: dict[str, Any]) -> None:
    rows = [panel["id"] for panel in board["panels"] if panel["type"] == "row"]
    ids = [*rows, *(panel["id"] for panel in panels(board))]
    assert len(ids) == len(set(ids))
    assert all(isinstance(number, int) and number > 0 for number in ids)


def test_nothing_overlaps_or_leaves_the_grid(board: dict[str, Any]) -> None:
    # With every row unfolded: the rows themselves take a line each.
    rows = [panel for panel in board["panels"] if panel["type"] == "row"]
    cells = [
        {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        for place in (panel["gridPos"] for panel in (*rows, *panels(board)))
    ]
    assert all(0 <= x < 24 and y >= 0 for cell in cells for x, y in cell)
    assert not [pair for pair in combinations(cells, 2) if pair[0] & pair[1]]


def test_lines_are_full(board: dict[str, Any]) -> None:
    widths: dict[int, int] = {}
    for panel in panels(board):
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {24}


def test_only_folded_rows_hold_their_panels(board: dict[str, Any]) -> None:
    rows = [panel for panel in board["panels"] if panel["type"] == "row"]
    assert board["panels"][0] in rows
    assert any(row["collapsed"] for row in rows)
    for row in rows:
        assert bool(row["panels"]) == row["collapsed"], row["title"]


def test_every_panel_explains_itself(board: dict[str, Any]) -> None:
    for panel in panels(board):
        shows, _, action = panel["description"].partition("\n\n**When it looks wrong:** ")
        assert shows.endswith("."), panel["title"]
        assert action.endswith((".", "?")), panel["title"]
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None


def test_every_query_has_a_legend_and_the_chosen_data_source(board: dict[str, Any]) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert panel["datasource"] == source
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            assert target["datasource"] == source


def test_what_the_sdk_leaves_out_is_set(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"]
        if panel["type"] in {"stat", "bargauge"}:
            assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]
    assert all(variable["current"] for variable in board["templating"]["list"])


def test_colours_mean_something(board: dict[str, Any]) -> None:
    for panel in panels(board):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values), panel["title"]
        if len(steps) > 1:
            assert steps[0]["color"] in {"green", "red"}, panel["title"]
            assert steps[0]["color"] != steps[-1]["color"], panel["title"]


def test_the_dashboard_stands_on_its_own(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == 42
    assert board["uid"].startswith("storescope-")
    assert len(board["uid"]) <= 40
    assert "id" not in board
    assert board["tags"] == ["storescope"]
    assert board["description"]


def test_variables_take_several_values_and_all(board: dict[str, Any]) -> None:
    assert list(variables(board, "datasource")) == ["datasource"]
    found = variables(board, "query")
    assert list(found) == [name for name in VARIABLES if name in found]
    assert list(found)[:2] == ["job", "instance"]
    for variable in found.values():
        assert variable["multi"]
        assert variable["allValue"] == ".+"
        assert variable["refresh"] == 2
        # Where a board is about one backend, Grafana begins with the first.
        all_at_first = (board["uid"], variable["name"]) != ("storescope-session-storage-health", "backend")
        assert variable["includeAll"] == all_at_first
        assert variable["current"]["value"] == (["$__all"] if all_at_first else [])
        assert variable["query"]["query"] == variable["definition"]


def test_every_variable_is_there_and_the_objective_where_it_counts(board: dict[str, Any]) -> None:
    assert list(variables(board, "query")) == VARIABLES
    objective = variables(board, "custom").get("objective")
    assert (objective is not None) == (board["uid"] == "storescope-storage-traffic")
    assert objective is None or objective["current"]["value"] == "0.999"


def test_deploys_and_new_policies_are_marked(board: dict[str, Any]) -> None:
    assert [each.panel for each in annotation_targets(board)] == ["annotation Deploy", "annotation Policy change"]
