"""`storescope demo`: a real session, and a report that agrees with what was stored and seen."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from storescope.backends import open_backend
from tests.apps.command import PROGRAM, WRONG_BACKENDS, assert_one_line, storescope

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the agent to look at, with a file that is no text and one that may not be read."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    folder.mkdir()
    (folder / "README.md").write_text("# Wonders\n\nfour words are here\n")
    (folder / "picture.bin").write_bytes(b"\0\1\2" * 1000)
    (folder / "large.txt").write_text("word " * 500_000)
    (folder / ".hidden").write_text("not for the agent")
    return folder


def report(cwd: Path, *arguments: object) -> dict[str, Any]:
    done = storescope("demo", "--json", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def storage_spans(nodes: list[dict[str, Any]]) -> list[str]:
    """Return the names of the storage spans in a trace."""
    names: list[str] = []
    for node in nodes:
        names += [node["name"]] if node["outcome"] is not None else []
        names += storage_spans(node["children"])
    return names


@pytest.fixture(scope="module")
def ran(project: Path) -> tuple[Path, dict[str, Any]]:
    """Where the demo ran once, and what it reported."""
    return project.parent, report(project.parent, "--folder", project)


@pytest.mark.unmeasured
async def test_what_the_agent_did_is_really_stored(ran: tuple[Path, dict[str, Any]]) -> None:
    cwd, found = ran
    async with open_backend(f"local:{cwd / '.storescope'}") as backend:
        messages = await backend["message.listBySession"](session_id=found["session"])
        parts = await backend["part.listBySession"](session_id=found["session"])
        session = await backend["session.get"](id=found["session"])
        sandbox = await backend["sandbox.get"](id=session["sandboxId"])
    assert [message["role"] for message in messages] == ["user", "assistant"] * 3
    assert session["lastMessageId"] == messages[-1]["id"]
    assert sandbox["status"] == "stopped"
    outputs = {part["tool"]: part["output"] for part in parts}
    assert outputs["read_file"] == "# Wonders\n\nfour words are here\n"
    assert outputs["count_words"] == "6"
    assert "picture.bin 3000" in outputs["list_files"]
    assert ".hidden" not in outputs["list_files"]
    assert outputs["run_command"] == " ".join(os.uname()[i] for i in (0, 2))


@pytest.mark.unmeasured
def test_spans_metrics_and_audit_log_agree(ran: tuple[Path, dict[str, Any]]) -> None:
    cwd, found = ran
    spans = storage_spans(found["trace"])
    calls = {row["operation"]: row["calls"] for row in found["metrics"]}
    denied = 1  # made after the trace was taken
    assert sum(calls.values()) == len(spans) + denied
    assert all(calls[name] == spans.count(name) + (name == "session.get") for name in calls)
    lines = next((cwd / found["audit"]["folder"]).glob("*.jsonl")).read_text().splitlines()
    outcomes = [record for record in map(json.loads, lines) if record["phase"] == "outcome"]
    assert len(outcomes) == sum(calls.values())
    assert found["audit"]["verdict"] == "intact"
    assert found["audit"]["records"] == len(lines)


@pytest.mark.unmeasured
def test_the_denial_is_explained_and_reaches_no_backend(ran: tuple[Path, dict[str, Any]]) -> None:
    denial = ran[1]["denial"]
    assert denial["code"] == "call_region_forbidden"
    assert denial["rule"] == "eu-only"
    assert denial["backend_contacted"] is False
    assert denial["facts"]["call_region"] == "aws:us-east-1"
    assert "aws:eu-west-1" in denial["would_allow_if"]


@pytest.mark.unmeasured
def test_a_second_run_adds_a_stream_to_the_same_log(ran: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(ran[0], tmp_path / "again")
    again = report(tmp_path / "again")
    assert "2 streams" in again["audit"]["summary"]
    assert again["audit"]["verdict"] == "intact"


@pytest.mark.unmeasured
def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = report(tmp_path, "--folder", tmp_path / "empty", "--backend", "memory:")
    assert [turn["question"] for turn in found["turns"]] == ["What is in this folder?", "Where do we stand?"]


def test_a_repository_shows_its_last_commit(tmp_path: Path) -> None:
    commit = [
        "git",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first steps",
    ]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(commit, cwd=tmp_path, check=True)
    found = report(tmp_path, "--backend", "memory:")
    assert found["turns"][-1]["tools"][0][1].endswith("first steps")


async def test_on_redis_driver_spans_lie_below(redis_url: str, tmp_path: Path) -> None:
    found = report(tmp_path, "--backend", redis_url)
    turn = next(node for node in found["trace"] if node["name"] == "agent turn 1")
    listed = next(node for node in turn["children"] if node["name"] == "message.listBySession")
    assert [child["name"] for child in listed["children"]] == ["HVALS"]
    async with open_backend(redis_url) as backend:
        assert await backend["session.get"](id=found["session"]) is not None


def test_piped_output_is_plain(project: Path, tmp_path: Path) -> None:
    done = storescope("demo", "--folder", project, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for heading in ("The agent", "The trace", "The metrics", "The audit log", "A denial", "Next"):
        assert f"\n{heading}" in done.stdout
    assert "verified: intact" in done.stdout
    assert "the backend was not contacted" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_on_a_terminal_it_is_in_colour(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [PROGRAM, "demo", "--backend", "memory:"], cwd=tmp_path, stdout=follower, env=environment
    ) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
        assert process.wait(60) == 0
    os.close(leader)
    assert b"\x1b[" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how a terminal ends whose other side is closed
        return b""


@pytest.mark.parametrize(("backend", "says"), WRONG_BACKENDS)
def test_a_backend_that_cannot_be_opened_is_one_line(backend: str, says: str, tmp_path: Path) -> None:
    line = assert_one_line(storescope("demo", "--backend", backend, cwd=tmp_path), 2)
    assert says in line
    assert "secret" not in line


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".storescope").write_text("a file where the folder should be")
    line = assert_one_line(storescope("demo", "--backend", "memory:", cwd=tmp_path), 2)
    assert ".storescope" in line


def test_output_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    shell = f"{PROGRAM} demo --backend memory: | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
