"""`storescope view` and `storescope demo --view`, as a user and a script run them."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storescope.middleware._audit._keys import generate
from tests.apps.command import PROGRAM, assert_one_line, storescope, storescope_here
from tests.view.sending import get, send, span

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def running(cwd: Path, *arguments: object) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run a command until it has printed the viewer's address; end it as a terminal's Ctrl-C does."""
    command = [str(PROGRAM), *map(str, arguments)]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"(http://127\.0\.0\.1:\d+)  ", line):
                    yield process, found[1]
                    break
            else:
                raise AssertionError(process.stderr.read() if process.stderr else "")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def test_it_serves_until_it_is_ended(tmp_path: Path) -> None:
    with running(tmp_path, "view", "--port", 0, "--no-open") as (process, url):
        send(url, span("work"))
        assert get(url, "/api/status").json == {"traces": 1, "spans": 1, "charts": False, "audit": None}
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_kept_spans_are_there_the_next_time(tmp_path: Path) -> None:
    for number in (1, 2):
        with running(tmp_path, "view", "--port", 0, "--no-open", "--keep", "spans.db") as (_, url):
            send(url, span("work", trace=number))
            assert get(url, "/api/status").json["traces"] == number


def test_it_listens_on_the_loopback_only(tmp_path: Path) -> None:
    with running(tmp_path, "view", "--port", 0, "--no-open") as (process, url):
        port = int(url.rpartition(":")[2])
        lines = [
            line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()
        ]
        listening = [line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")]
        assert listening == [f"0100007F:{port:04X}"]
        assert process.poll() is None


@pytest.mark.parametrize("command", ["view", "demo --view"])
def test_a_port_that_is_taken_is_one_line(tmp_path: Path, command: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = assert_one_line(storescope(*command.split(), "--port", port, "--no-open", cwd=tmp_path), 2)
    assert f"port {port} of 127.0.0.1 cannot be used: Address already in use" in line
    assert "--port 0" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--audit", "nowhere"], "nowhere: cannot be read"),
        (["--audit", "audit", "--audit-key", "none.key"], "none.key"),
        (["--metrics", "localhost:9"], "http://127.0.0.1:9464/metrics"),
        (["--keep", "audit/none/spans.db"], "spans.db: cannot be used"),
        (["--keep", "text"], "text: cannot be used"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "text").write_text("some text that is no database" * 100)
    done = storescope_here("view", "--port", 0, "--no-open", *arguments, cwd=tmp_path)
    assert says in assert_one_line(done, 2)


@pytest.mark.parametrize("arguments", [["--audit-key", "k"], ["--port", "70000"], ["--most-age", "soon"]])
def test_wrong_usage_exits_2(tmp_path: Path, arguments: list[str]) -> None:
    done = storescope_here("view", "--no-open", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["view"], ["demo", "--view"]])
def test_a_missing_extra_is_named(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; sys.argv[1:] = "
        f"{[*arguments, '--port', '0', '--no-open']!r}; import storescope.apps; storescope.apps.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("install it with: pip install 'storescope[view]'")


def test_the_demo_shows_itself(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--view", "--port", 0, "--no-open", "--json") as (_, url):
        found = get(url, "/api/traces").json["traces"]
        assert {"agent setup", "agent turn 1", "agent teardown", "session.get"} <= {
            trace["root"] for trace in found
        }
        (denied,) = get(url, "/api/traces", None, outcome="denied").json["traces"]
        trace = get(url, f"/api/trace/{denied['trace_id']}").json
        assert trace["waterfall"][0]["residency"]["code"] == "call_region_forbidden"
        assert get(url, "/api/status").json["charts"] is True
        assert _verdict(url) == "intact"


def _verdict(url: str) -> Any:
    give_up = time.monotonic() + 20
    while (verdict := get(url, "/api/status").json["audit"]["verdict"]) != "intact" and time.monotonic() < give_up:
        time.sleep(0.1)
    return verdict


def test_the_plain_demo_prints_json_alone(tmp_path: Path) -> None:
    done = storescope("demo", "--json", "--backend", "memory:", cwd=tmp_path)
    assert json.loads(done.stdout)["audit"]["verdict"] == "intact"


def test_an_audit_folder_and_key_are_taken(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    generate(tmp_path / "auditor")
    options = ("--audit", "audit", "--audit-key", "auditor.key", "--metrics", "http://127.0.0.1:1/metrics")
    with running(tmp_path, "view", "--port", 0, "--no-open", *options) as (_, url):
        assert get(url, "/api/status").json["audit"]["verdict"] == "pending"
        assert get(url, "/api/charts").status == 200
