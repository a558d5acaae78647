"""The rules: generated, committed, accepted by Prometheus, and unit-tested by promtool."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from storescope.dashboards import PROMETHEUS, Burn, Objectives, _rule, _rules_state, build_rules, write_rules
from storescope.dashboards._errors import DashboardError
from storescope.dashboards._queries import series_of, total
from storescope.middleware._definitions import AUDIT_FAILURES, OPERATIONS
from tests.dashboards.prometheus_server import find_binary
from tests.dashboards.shipped import alerts

UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.test.yaml"))
RUNBOOKS = Path(__file__).parents[2] / "docs" / "operate" / "runbooks.md"
ODD = Objectives(job='ag"ents\\.eu', latency_seconds=1.0, fast=Burn(10, 90, 90), hold_seconds=0)


def promtool(*arguments: object) -> tuple[int, str]:
    command = [find_binary("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_committed_rules_are_up_to_date() -> None:
    committed = {path.name: path.read_text() for path in PROMETHEUS.glob("*.yaml")}
    assert committed == build_rules(), "run: python -c 'from storescope.dashboards import write_rules as w; w()'"


@pytest.mark.parametrize("objectives", [Objectives(), ODD], ids=["default", "odd"])
def test_prometheus_accepts_the_rules(objectives: Objectives, tmp_path: Path) -> None:
    status, words = promtool("check", "rules", *write_rules(tmp_path / "new", objectives))
    assert (status, words.count("SUCCESS")) == (0, 2), words


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name)
def test_promtools_unit_tests(file: Path) -> None:
    """Series of samples that must fire an alert, with its very words, and such that must not."""
    status, words = promtool("test", "rules", file)
    assert status == 0, words


def test_every_alert_has_a_unit_test_that_fires_it() -> None:
    tests = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize(("rule", "spoilt"), [("> 0.01", "> 0.2"), ("and on (job, instance)", "or")])
def test_a_rule_that_is_off_fails_its_unit_test(rule: str, spoilt: str, tmp_path: Path) -> None:
    (states,) = (file for file in UNIT_TESTS if file.name == "states.test.yaml")
    for path in PROMETHEUS.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text().replace(rule, spoilt))
    file = tmp_path / states.name
    file.write_text(states.read_text().replace("../../../dashboards/prometheus/", ""))
    status, words = promtool("test", "rules", file)
    assert status != 0, words
    assert "FAILED" in words


def test_every_alert_says_what_it_is_and_where_its_runbook_stands() -> None:
    """The anchor is the heading's, as GitHub and most others make it."""
    headings = {f"#{line[4:].lower()}" for line in RUNBOOKS.read_text().splitlines() if line.startswith("### ")}
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["description"].endswith(".")
        assert alert["annotations"]["runbook_url"].removeprefix("docs/operate/runbooks.md") in headings
    assert len(headings) == len(alerts())


def test_objectives_reach_the_rules() -> None:
    ours = Objectives(availability=0.99, job="mine", runbooks="https://wiki.example/storage")
    fast, *_ = alerts(ours)
    assert "14.4 * (1 - 0.99)" in fast["expr"]
    assert fast["annotations"]["runbook_url"].startswith("https://wiki.example/storage#")
    assert 'job=~"mine"' in build_rules(ours)["storescope-recording.yaml"]


def test_an_alert_that_could_never_fire_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match=r"availability 0\.9 could never fire"):
        write_rules(tmp_path / "new", Objectives(availability=0.9))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"denied_share": 1.0}, "denied_share is 1.0"),
        ({"window_seconds": 0}, "window_seconds is 0; it must be whole seconds above 0"),
        ({"hold_seconds": -1}, "hold_seconds is -1; it must be 0 or more"),
    ],
)
def test_objectives_that_are_none_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DashboardError, match=says):
        Objectives(**wrong)


@pytest.mark.parametrize("wrong", [(0, 60, 60), (1, 60, 120), (1, 60, 0), (float("nan"), 60, 60)])
def test_a_burn_that_is_none_is_refused(wrong: tuple[float, int, int]) -> None:
    with pytest.raises(DashboardError, match="is no burn rate"):
        Burn(*wrong)


def test_a_renamed_label_breaks_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rules_state, "AUDIT_FAILURES", replace(AUDIT_FAILURES, labels=("why",)))
    with pytest.raises(ValueError, match="no label 'reason'"):
        build_rules()


def test_words_about_a_label_that_an_alert_lacks_break_generation() -> None:
    vector = total(series_of("x", OPERATIONS), "job")
    with pytest.raises(ValueError, match="no label 'backend'"):
        _rule.Alert(name="A", severity="page", vector=vector, summary="{{ $labels.backend }}", description="d")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "90s"), (300, "5m"), (7200, "2h"), (259_200, "3d")])
def test_durations(seconds: int, text: str) -> None:
    assert _rule.duration(seconds) == text
