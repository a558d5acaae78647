"""`storescope dashboards`: what a user gets, and one clear line for what cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storescope import dashboards
from tests.apps.command import assert_one_line, storescope_here
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = f"http://127.0.0.1:{free_port()}"


def test_the_shipped_dashboards_pass_the_check(tmp_path: Path) -> None:
    done = storescope_here("dashboards", "check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 dashboards: 0 wrong")
    assert "(meant to be: " in done.stdout


def test_what_is_wrong_is_named_and_counted(tmp_path: Path) -> None:
    board = json.loads(dashboards.build()["storage-traffic.json"]) | {"editable": True}
    (tmp_path / "mine.json").write_text(json.dumps(board))
    done = storescope_here("dashboards", "check", ".", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["wrong"], report["boards"]) == (1, 1, 1)
    (found,) = [each for each in report["findings"] if each["excepted"] is None]
    assert (found["rule"], found["board"]) == ("uneditable-dashboard", "Storage traffic")


@pytest.mark.parametrize(
    ("content", "words"), [("{", "cannot be read as JSON"), ('{"a": 1}', "is no dashboard of Grafana")]
)
def test_a_file_that_is_no_dashboard_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    assert words in assert_one_line(storescope_here("dashboards", "check", ".", cwd=tmp_path), 2)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "holds no dashboards" in assert_one_line(storescope_here("dashboards", "check", ".", cwd=tmp_path), 2)


@pytest.mark.parametrize(
    ("url", "words"),
    [(NOBODY, "does not answer"), ("localhost:9090", "is named by a URL")],
    ids=["nobody", "no URL"],  # the port differs from process to process
)
def test_a_prometheus_that_is_none_is_said(tmp_path: Path, url: str, words: str) -> None:
    done = storescope_here("dashboards", "preview", "storage-traffic", "--prometheus", url, cwd=tmp_path)
    assert words in assert_one_line(done, 2)
    assert not list(tmp_path.iterdir())


def test_a_query_that_cannot_be_asked_counts_as_wrong(tmp_path: Path) -> None:
    done = storescope_here("dashboards", "check", "--prometheus", NOBODY, cwd=tmp_path)
    assert "does not answer" in assert_one_line(done, 2)


def test_export_is_for_the_users_own_service(tmp_path: Path) -> None:
    options = ("--job", "agents", "--availability", "0.95", "--latency-seconds", "0.1")
    done = storescope_here("dashboards", "export", "out", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = {str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(done.stdout.split()) == written
    board = json.loads((tmp_path / "out/grafana/storage-traffic.json").read_text())
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert variables["job"]["definition"] == 'label_values(agent_storage_operations_total{job=~"agents"}, job)'
    assert variables["objective"]["current"]["value"] == "0.95"
    assert storescope_here("dashboards", "check", "out", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--availability", "1", "above 0 and below 1"),
        ("--latency-share", "0", "above 0 and below 1"),
        ("--latency-seconds", "0.3", "must be one of"),
        ("--job", "", "job is empty"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(tmp_path: Path, option: str, value: str, words: str) -> None:
    done = storescope_here("dashboards", "export", "out", option, value, cwd=tmp_path)
    assert words in assert_one_line(done, 2)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = assert_one_line(storescope_here("dashboards", "export", "file/out", cwd=tmp_path), 2)
    assert "cannot be written" in line
