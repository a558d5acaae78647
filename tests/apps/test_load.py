"""`storescope load` as a command: its report, its progress bar, its end by Ctrl-C, its errors."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.apps.command import PROGRAM, assert_one_line, storescope, storescope_here
from tests.load.loads import Samples, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import RedisServer

QUICK = ("--seconds", 1, "--sessions", 3)


def test_the_report_for_people(tmp_path: Path) -> None:
    done = storescope("load", *QUICK, "--seed", 11, "--keep", "kept", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for heading in ("Load", "Operations", "On purpose", "The audit log"):
        assert f"\n{heading}" in done.stdout
    assert "3 sessions at once on memory in aws:eu-west-1" in done.stdout
    assert "calls/s" in done.stdout
    assert "seed 11" in done.stdout
    assert "verified: intact" in done.stdout
    assert "1 not logged" in done.stdout
    assert done.stderr.splitlines()[0].startswith("metrics on http://127.0.0.1:")
    assert max(map(len, done.stdout.splitlines())) <= 100
    command = next(line for line in done.stdout.splitlines() if "audit verify" in line)
    assert storescope_here(*command.split()[1:], cwd=tmp_path).returncode == 0


def test_the_report_for_scripts(tmp_path: Path) -> None:
    done = storescope("load", *QUICK, "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["as_asked"] is True
    assert report["busy"] == 3
    assert report["seconds"] >= 1
    assert report["calls_per_second"] == pytest.approx(report["calls"] / report["seconds"], rel=0.01)
    assert report["audit"]["folder"] is None
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert list(tmp_path.iterdir()) == []


def test_a_progress_bar_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(
        [PROGRAM, "load", *map(str, QUICK), "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
    ) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        assert process.wait(60) == 0
    os.close(leader)
    assert report["calls"] > 0
    assert b"metrics on http://127.0.0.1:" in shown
    assert b" calls, " in shown
    assert "━".encode() in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how a terminal ends whose other side is closed
        return b""


def test_ctrl_c_ends_it_early_with_the_report(tmp_path: Path) -> None:
    with running(tmp_path, "--seconds", 600, "--keep", "kept") as load:
        load.scrape_until(lambda samples: samples.total("agent_storage_operations_total") > 200)
        load.process.send_signal(signal.SIGINT)
        code, report, err = load.finish()
    assert code == 130
    assert err == ""
    assert report["interrupted"] is True
    assert report["seconds"] < 60
    assert report["calls"] > 200
    assert report["audit"]["verdict"] == "intact"


def test_a_second_ctrl_c_does_not_wait_for_a_store_that_hangs(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(tmp_path, "--backend", f"{redis_server.url}?timeout=60", "--seconds", 600) as load:
        load.scrape_until(lambda samples: samples.total("agent_storage_operations_total") > 50)
        os.kill(redis_server.pid, signal.SIGSTOP)
        time.sleep(0.3)
        load.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        load.process.send_signal(signal.SIGINT)
        code, report, err = load.finish()
        os.kill(redis_server.pid, signal.SIGCONT)
    assert (code, report) == (130, {})
    assert "Traceback" not in err


def test_a_store_that_dies_is_told_and_no_traceback(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(tmp_path, "--backend", redis_server.url, "--seconds", 8) as load:
        load.scrape_until(lambda samples: samples.total("agent_storage_operations_total") > 50)
        redis_server.kill()
        code, report, err = load.finish()
    assert code == 1
    assert "Traceback" not in err
    assert report["other_errors"] > 0
    assert any(name.startswith("redis.") for name in report["error_types"])
    assert report["audit"]["verdict"] == "intact"


def test_metrics_on_a_port_of_ones_own(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(tmp_path, *QUICK, "--metrics-port", port) as load:
        assert load.url == f"http://127.0.0.1:{port}/metrics"
        assert "agent_storage_build_info" in Samples(load.url).text
        assert load.finish()[0] == 0


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = assert_one_line(storescope("load", *QUICK, "--metrics-port", port, cwd=tmp_path), 2)
    assert line == f"storescope: metrics cannot be served on 127.0.0.1:{port}: Address already in use"


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("postgre:x", "scheme"),
        ("redis://user:secret@127.0.0.1:1/0", "127.0.0.1:1"),
        ("nonsense", "URL"),
    ],
)
def test_a_backend_that_cannot_be_used_is_one_line(backend: str, says: str, tmp_path: Path) -> None:
    line = assert_one_line(storescope("load", *QUICK, "--backend", backend, cwd=tmp_path), 2)
    assert says in line
    assert "secret" not in line


def test_a_region_in_conflict_is_refused_before_every_call_is_denied(tmp_path: Path) -> None:
    assert (
        storescope_here("residency", "mark", "local:store", "--region", "aws:us-east-1", cwd=tmp_path).returncode
        == 0
    )
    backend = "local:store?probe=true&region=aws%3Aeu-west-1"
    done = storescope("load", *QUICK, "--backend", backend, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(
        "storescope: what is said of the backend's region does not agree"
    )


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = assert_one_line(storescope("load", *QUICK, "--keep", "file/kept", cwd=tmp_path), 2)
    assert "file/kept" in line
    (tmp_path / "kept" / "policy.toml").mkdir(parents=True)
    line = assert_one_line(storescope("load", *QUICK, "--keep", "kept", cwd=tmp_path), 2)
    assert "policy.toml" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sessions", 0), "--sessions"),
        (("--seconds", 0), "'--seconds': must be a number of seconds, more than 0"),
        (("--seconds", "nan"), "'--seconds': must be a number of seconds, more than 0"),
        (("--seconds", "soon"), "--seconds"),
        (("--errors", 1.5), "'--errors': must be a share of all calls, from 0 to 1"),
        (("--denials", -0.1), "'--denials': must be a share of all calls, from 0 to 1"),
        (("--errors", 0.6, "--denials", 0.6), "together 1 at most"),
        (("--metrics-port", 70_000), "--metrics-port"),
        (("--seed", -1), "--seed"),
    ],
    ids=str,
)
def test_wrong_options_are_named(arguments: tuple[object, ...], says: str, tmp_path: Path) -> None:
    done = storescope_here("load", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert says in errors[0]
