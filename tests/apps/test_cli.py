"""The command line as a whole: help, versions, errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storescope.backends._dynamodb_schema import cloudformation
from tests.apps.command import assert_one_line, storescope, storescope_here

COMMANDS: tuple[list[str], ...] = (
    [],
    ["demo"],
    ["load"],
    ["view"],
    ["audit"],
    ["audit", "keygen"],
    ["audit", "verify"],
    ["audit", "show"],
    ["audit", "anchor"],
    ["conformance"],
    ["dashboards"],
    ["dashboards", "build"],
    ["residency"],
    *(["residency", name] for name in ("check", "explain", "diff")),
    ["residency", "scan"],
    ["residency", "mark"],
    *(["residency", name] for name in ("move", "keygen", "verify-proof")),
    ["dynamodb", "cloudformation"],
)
HEAVY = (
    "opentelemetry",
    "prometheus_client",
    "redis",
    "aiobotocore",
    "structlog",
    "nacl",
    "rich",
    "sqlite3",
    "grafana_foundation_sdk",
    "google.protobuf",
    "starlette",
    "uvicorn",
)


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(command: list[str], tmp_path: Path) -> None:
    done = storescope_here(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example:\n    storescope " in done.stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"import sys, storescope.apps; print([m for m in {HEAVY!r} if m in sys.modules])"
    quiet = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")
    }  # it loads sqlite3
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True, env=quiet
    )
    assert done.stdout.strip() == "[]"


def test_the_dynamodb_table_is_printed_for_cloudformation(tmp_path: Path) -> None:
    done = storescope("dynamodb", "cloudformation", "agents", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == cloudformation("agents") + "\n"
    assert "3 to 255" in assert_one_line(storescope("dynamodb", "cloudformation", "a b", cwd=tmp_path), 2)


def test_version(tmp_path: Path) -> None:
    assert storescope("--version", cwd=tmp_path).stdout.startswith("storescope 0.")


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "--nonsense"], ["audit", "verify", "audit"]])
def test_wrong_usage_exits_2_without_a_traceback(arguments: list[str], tmp_path: Path) -> None:
    done = storescope_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_dashboards_are_built_into_a_folder(tmp_path: Path) -> None:
    done = storescope_here("dashboards", "build", "out", cwd=tmp_path)
    assert "out/storage-traffic.json" in done.stdout.splitlines()
    committed = Path(__file__).parents[2] / "dashboards" / "grafana" / "storage-traffic.json"
    assert (tmp_path / "out" / "storage-traffic.json").read_text() == committed.read_text()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = assert_one_line(storescope("dashboards", "build", "file/out", cwd=tmp_path), 2)
    assert "file/out" in line
