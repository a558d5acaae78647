"""Each example runs with one command and shows what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storescope.conformance import CASES
from tests.rounds import LONG

if TYPE_CHECKING:
    from tests.durable.temporal_server import TemporalServer
    from tests.servers import PostgresServer

pytestmark = pytest.mark.unmeasured

EXAMPLES = Path(__file__).parents[2] / "examples"
LOST = {
    "concurrent_updates_survive": "fifty concurrent updates: expected all fifty fields",
    "updates_from_processes_survive": "fifty concurrent updates from 5 processes: expected all fifty fields",
}
MAPS: dict[str, dict[str, str]] = {"corrected": {}, **({"handlers": LOST} if LONG else {})}
"""A map of naive_update.py -> why its cases fail. In make test, docs/conformance.md shows those of `handlers`."""


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], check=False, capture_output=True, text=True, timeout=110
    )


def test_old_rows_stay_readable_and_every_call_is_seen() -> None:
    done = run("wrap_your_own.py")
    assert done.returncode == 0, done.stderr
    assert "an old row: {'id': 'from-2024', 'sandboxId': 'box-7', 'createdAt': 1717171717}" in done.stdout
    assert "span session.update: not_found" in done.stdout
    assert 'operation="session.update",outcome="ok"' in done.stdout


def test_redis_with_driver_spans_below(redis_url: str) -> None:
    done = run("redis_with_traces_and_metrics.py", redis_url)
    assert done.returncode == 0, done.stderr
    assert "message.listBySession -> HVALS" in done.stdout
    assert "agent turn -> session.update" in done.stdout


def test_redis_that_is_not_there_is_one_line() -> None:
    done = run("redis_with_traces_and_metrics.py", "redis://user:secret@127.0.0.1:1/0")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "127.0.0.1:1" in done.stderr
    assert "secret" not in done.stderr


def test_the_production_example_conforms_and_loses_no_update() -> None:
    done = run("kv_production.py")
    assert done.returncode == 0, done.stderr
    assert "52 fields" in done.stdout
    program = str(Path(sys.executable).parent / "storescope")
    command = [program, "conformance", f"{EXAMPLES / 'kv_production.py'}:handlers"]
    tried = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True, timeout=110)
    core = [case for case in json.loads(tried.stdout)["cases"] if case["kind"] == "core"]
    assert core
    assert not [case["name"] for case in core if case["status"] != "pass"]
    assert tried.stderr == ""  # no call was left unawaited


def test_a_policy_that_denies() -> None:
    done = run("policy_that_denies.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "acme from aws:eu-west-1: stored"
    assert all("denied" in line for line in lines[1:5])
    assert lines[5] == "5 outcomes in the audit log"


@pytest.mark.parametrize(
    "store", ["sqlite", "postgres"] if LONG else ["postgres"]
)  # docs/durable.md runs the other
def test_an_agent_that_dies_goes_on_where_it_was_with_dbos(
    store: str, shared_postgres_server: PostgresServer
) -> None:
    done = run("durable_agent_dbos.py", *([shared_postgres_server.url] if store == "postgres" else []))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the first process died in the second turn",
        "3 messages",
        "6 calls were made by the process that recovered it",
    ]


def test_an_agent_whose_worker_is_lost_goes_on_where_it_was_with_temporal(temporal_server: TemporalServer) -> None:
    done = run("durable_agent_temporal.py", temporal_server.address)
    assert done.returncode == 0, done.stderr
    first, messages, calls = done.stdout.splitlines()
    assert first == "the first worker is gone, in the second turn"
    assert messages == "3 messages"
    assert calls in {
        f"{number} calls reached the handlers" for number in (11, 12)
    }  # the one under way, again perhaps


def test_temporal_that_is_not_there_is_one_line() -> None:
    done = run("durable_agent_temporal.py", "127.0.0.1:1")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def conform(name: str, folder: Path) -> tuple[int, dict[str, str]]:
    """Try a map of the example; return the exit code, and what was expected and came of each case that failed."""
    done = subprocess.run(
        [
            Path(sys.executable).parent / "storescope",
            "conformance",
            f"{EXAMPLES / 'naive_update.py'}:{name}",
            "--json",
        ],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    cases = json.loads(done.stdout)["cases"]
    assert [case["name"] for case in cases if case["status"] == "not_applicable"] == []
    assert len(cases) == len(CASES)
    return done.returncode, {case["name"]: case["why"] for case in cases if case["status"] == "fail"}


@pytest.mark.parametrize("name", MAPS)
def test_a_naive_update_is_caught_and_nothing_else_and_one_transaction_passes_all(
    name: str, tmp_path: Path
) -> None:
    code, failed = conform(name, tmp_path)
    assert code == bool(MAPS[name])
    for case, why in MAPS[name].items():
        for entity in ("session", "message", "sandbox"):
            assert why in failed.pop(f"{entity}/{case}")
    # A set that is overtaken by an update is the same fault; whether it shows in ten rounds is luck.
    assert {case.partition("/")[2] for case in failed} <= ({"update_undoes_no_set"} if MAPS[name] else set())
