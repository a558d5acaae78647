"""Every query of every dashboard, asked of a real Prometheus under real loads on Redis and on the embedded store.

It is one test, since the loads take most of its time: what it claims stands below, claim by claim.
"""

from __future__ import annotations

import copy
import json
import os
from typing import TYPE_CHECKING, Any

import httpx
from playwright.sync_api import sync_playwright

from storescope import dashboards
from storescope.apps.preview import page
from storescope.dashboards._live import ask, check_board, check_rules
from storescope.dashboards._prometheus_api import is_finite
from storescope.dashboards._read import annotation_targets, panels, substitute, targets
from tests.apps.command import storescope
from tests.dashboards.loads import JOBS, loaded
from tests.view.chromium import ARGUMENTS, Watched, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dashboards.loads import Loaded

SECONDS = 300 if os.environ.get("STORESCOPE_LONG") else 10
BOARDS = {name: json.loads(text) for name, text in dashboards.build().items()}
# Labels whose values hold what a regex would take for its own: dots.
CHOSEN = {
    "job": "redis",
    "backend": "redis",
    "region": ("aws:eu-west-1", "aws:us-east-1"),
    "operation": (
        "session.get",
        "session.set",
        "session.update",
        "message.listBySession",
        "sandbox.update",
        "part.set",
    ),
}


def wrong(loads: Loaded, board: dict[str, Any], chosen: dict[str, Any]) -> list[str]:
    """What a check says of a dashboard's queries."""
    return [str(found) for found in check_board(loads.api, board, loads.span, chosen) if found is not None]


def the_command_finds_nothing_wrong(loads: Loaded, folder: Path) -> None:
    arguments = [
        "--prometheus",
        loads.prometheus.url,
        "--range",
        loads.span.seconds,
        "--rate-interval",
        8,
        "--json",
    ]
    done = storescope("dashboards", "check", *arguments, cwd=folder)
    report = json.loads(done.stdout)
    assert [found for found in report["findings"] if found["excepted"] is None] == []
    assert done.returncode == 0
    assert report["queries"] > 90


def every_query_returns_a_finite_sample_on_both_stores(loads: Loaded, _: Path) -> None:
    assert [text for job in JOBS for board in BOARDS.values() for text in wrong(loads, board, {"job": job})] == []


def rules_are_asked_too(loads: Loaded, _: Path) -> None:
    groups = {"groups": [{"name": "g", "rules": [recording(""), alert(""), recording("s"), alert("s")]}]}
    found = [finding and finding.where for finding in check_rules(loads.api, "f.yaml", groups, loads.span)]
    assert found == [None, None, "r:s", "As"]


def recording(misspelt: str) -> dict[str, str]:
    return {"record": f"r:{misspelt}", "expr": f"sum(rate(agent_storage{misspelt}_operations_total[8s]))"}


def alert(misspelt: str) -> dict[str, str]:
    """Return one that is quiet, because it asks for what cannot be."""
    return {
        "alert": f"A{misspelt}",
        "expr": f"agent_storage{misspelt}_operations_in_flight offset 6h < 0 and up > 7",
    }


def every_query_works_with_chosen_values(loads: Loaded, _: Path) -> None:
    assert [text for board in BOARDS.values() for text in wrong(loads, board, CHOSEN)] == []


def a_chosen_value_matches_only_itself(loads: Loaded, _: Path) -> None:
    # A dot in a value is a dot: Grafana escapes it because the variable takes several values.
    board = BOARDS["storage-traffic.json"]
    asked = {f"{target.panel} [{target.ref}]" for target in (*targets(board), *annotation_targets(board))}
    found = {text.split(": ")[2] for text in wrong(loads, board, {"job": "red.s"})}
    assert asked <= found


def a_misspelt_metric_is_found(loads: Loaded, _: Path) -> None:
    for board in BOARDS.values():
        misspelt = copy.deepcopy(board)
        for panel in panels(misspelt):
            for target in panel["targets"]:
                target["expr"] = target["expr"].replace("agent_storage_", "agent_storge_")
        assert len(wrong(loads, misspelt, {"job": "redis"})) == len(list(targets(board)))


def an_idle_store_gives_gaps_and_never_nan(loads: Loaded, _: Path) -> None:
    for board in BOARDS.values():
        values = loads.span.values(board, {"job": "idle"})
        for target in targets(board):
            answer = ask(loads.api, target, loads.span, values)
            assert all(is_finite(value) for series in answer for _, value in series.points), str(target)


def exemplars_lead_to_traces_in_the_viewer(loads: Loaded, _: Path) -> None:
    assert loads.reports  # they have ended, and sent their last spans
    asked = [(board, target) for board in BOARDS.values() for target in targets(board) if target.exemplar]
    assert len(asked) >= 5
    for board, target in asked:
        expr = substitute(target.expr, loads.span.values(board))
        found = list(loads.api.exemplars(expr, loads.span.start, loads.span.end))
        assert found, str(target)
        for *_moment, labels in found[:5]:
            answer = httpx.get(f"{loads.viewer}/api/trace/{labels['trace_id']}", trust_env=False)
            assert answer.status_code == httpx.codes.OK, str(target)


def denials_are_exactly_what_the_loads_made(loads: Loaded, _: Path) -> None:
    for job in JOBS:
        report = loads.reports[job]
        denied = loads.value(f'sum(agent_storage_operations_total{{job="{job}", outcome="denied"}})')
        assert denied == report["outcomes"]["denied"]
        for decision, count in report["decisions"].items():
            matchers = f'{{job="{job}", decision="{decision}"}}'
            assert loads.value(f"sum(agent_storage_residency_decisions_total{matchers})") == count
            assert loads.value(f"sum(agent_storage_residency_flows_total{matchers})") == count


def rates_are_what_the_loads_made_within_a_tenth(loads: Loaded, _: Path) -> None:
    for job in JOBS:
        report = loads.reports[job]
        made = {"": report["calls"]} | {
            f', operation="{row["operation"]}"': row["calls"] for row in report["operations"] if row["calls"] > 500
        }
        for matcher, calls in made.items():
            counter = f'agent_storage_operations_total{{job="{job}"{matcher}}}'
            # What was counted when it was scraped first, no rate can tell.
            since, before = loads.first(f"sum({counter})")
            rate = loads.value(f"sum(rate({counter}[{since}s]))")
            assert abs(rate * since - (calls - before)) <= calls / 10, (job, matcher, rate * since, calls, before)


def handlers_take_less_than_whole_calls(loads: Loaded, _: Path) -> None:
    for job in JOBS:
        handler = loads.value(f'sum(agent_storage_backend_duration_seconds_sum{{job="{job}"}})')
        whole = loads.value(f'sum(agent_storage_operation_duration_seconds_sum{{job="{job}"}})')
        assert 0 < handler < whole


def every_panel_is_drawn(loads: Loaded, folder: Path) -> None:
    for name, board in BOARDS.items():
        (folder / f"{name}.html").write_text(page(board, loads.api, loads.span, {"job": "redis"}))
    seen = drawn([folder / f"{name}.html" for name in BOARDS])
    for name, board in BOARDS.items():
        assert seen[f"{name}.html"] == {panel["title"]: True for panel in panels(board)}


CLAIMS = (
    the_command_finds_nothing_wrong,  # while the loads still serve
    every_query_returns_a_finite_sample_on_both_stores,
    rules_are_asked_too,
    every_query_works_with_chosen_values,
    a_chosen_value_matches_only_itself,
    a_misspelt_metric_is_found,
    an_idle_store_gives_gaps_and_never_nan,
    exemplars_lead_to_traces_in_the_viewer,
    denials_are_exactly_what_the_loads_made,
    rates_are_what_the_loads_made_within_a_tenth,
    handlers_take_less_than_whole_calls,
    every_panel_is_drawn,
)


def drawn(files: list[Path]) -> dict[str, dict[str, bool]]:
    """Open previews in a real Chromium; say of each panel whether something is in it, all inside its frame."""
    seen: dict[str, dict[str, bool]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        for width in (1_920, 1_366):
            opened = Watched(browser.new_page(viewport={"width": width, "height": 1_000}))
            for file in files:
                opened.page.goto(file.as_uri())
                opened.page.wait_for_selector("body[data-drawn]")
                found: dict[str, bool] = opened.page.evaluate(_LOOK)
                seen[file.name] = {
                    title: ok and seen.get(file.name, {}).get(title, True) for title, ok in found.items()
                }
            assert opened.problems == []
            assert all(url.startswith(("file:", "data:")) for url in opened.asked)
        browser.close()
    return seen


_LOOK = """() => Object.fromEntries([...document.querySelectorAll(".panel")].map((panel) => {
  const frame = panel.getBoundingClientRect(), parts = [...panel.querySelectorAll("canvas, svg, tr, .bar, b")];
  const inside = [...panel.querySelectorAll(".plot, .legend, .table, .bars, b, svg")].every((part) => {
    const box = part.getBoundingClientRect();
    return box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.bottom <= frame.bottom + 1;
  });
  return [panel.querySelector("h2").textContent, parts.length > 0 && !panel.querySelector(".empty") && inside];
}))"""


def test_dashboards_on_real_traffic(tmp_path: Path, redis_url: str) -> None:
    with loaded(tmp_path, redis_url, SECONDS) as loads:
        failed = dict(_failures(loads, tmp_path))
    assert failed == {}


def _failures(loads: Loaded, folder: Path) -> Iterator[tuple[str, str]]:
    """Return every claim that does not hold, not just the first."""
    for claim in CLAIMS:
        try:
            claim(loads, folder)
        except AssertionError as error:
            yield claim.__name__, str(error)[:2_000]
