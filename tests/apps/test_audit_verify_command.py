"""`storescope audit verify`: exit codes, anchors, retention, JSON, and the bar on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.apps.command import PROGRAM, assert_one_line, storescope_here
from tests.audit.forge import Head, name, sound_folder, write_anchor

if TYPE_CHECKING:
    from pathlib import Path

LAST = f"audit/{name(4)}.000002.jsonl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound folder of several streams and segments, its key, and an anchor that reaches to every end."""
    _, _, heads = sound_folder(tmp_path)
    write_anchor(tmp_path / "heads.jsonl", heads)
    return tmp_path


def verify(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return storescope_here("audit", "verify", "audit", "--key", "auditor.key", *arguments, cwd=root)


def test_without_an_anchor_it_says_so(root: Path) -> None:
    done = verify(root)
    assert (done.returncode, done.stderr) == (0, "")
    told = "49 records in 3 streams, 3 segments removed by retention, 7 not logged; self-consistent, not anchored"
    assert done.stdout == f"intact: {told}\n"


def test_with_an_anchor_it_says_how_much_that_covers(root: Path) -> None:
    done = verify(root, "--anchor", "heads.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("; 5 heads of the anchor checked\n")
    lines = (root / "heads.jsonl").read_text().splitlines(keepends=True)
    (root / "heads.jsonl").write_text("".join(lines[:-1]))
    done = verify(root, "--anchor", "heads.jsonl")
    assert done.stdout.endswith("; 4 heads of the anchor checked, 1 stream not anchored to the end\n")
    assert json.loads(verify(root, "--anchor", "heads.jsonl", "--json").stdout)["beyond_anchor"] == [name(4)]


def test_a_rolled_back_end_exits_4_with_the_anchor_and_3_without(root: Path) -> None:
    lines = (root / LAST).read_bytes().splitlines(keepends=True)
    (root / LAST).write_bytes(b"".join(lines[:-2]))
    assert verify(root).returncode == 3
    done = verify(root, "--anchor", "heads.jsonl")
    assert done.returncode == 4
    assert done.stdout.startswith(f"truncated: stream {name(4)}: it is shorter or other than a head of it says")


def test_a_lost_segment_exits_5_and_is_named(root: Path) -> None:
    (root / f"audit/{name(3)}.000002.jsonl").unlink()
    done = verify(root)
    assert done.returncode == 5
    assert done.stdout.startswith(f"missing: stream {name(3)}, segment 2: segment 2 is not here")


def test_a_removal_before_its_time_exits_4(root: Path) -> None:
    assert verify(root, "--retention", "30").returncode == 0
    done = verify(root, "--retention", "45.5")
    assert done.returncode == 4
    assert "a segment was removed before its time" in done.stdout


def test_the_json_tells_of_every_stream(root: Path) -> None:
    path = root / LAST
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    done = verify(root, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 3
    assert {
        part["stream"]: (part["verdict"], part["records"], part["unsealed"]) for part in told["by_stream"]
    } == {
        name(2): ("intact", 15, 0),
        name(3): ("intact", 15, 0),
        name(4): ("unsealed", 18, 7),
    }
    (finding,) = told["findings"]
    assert (finding["stream"], finding["segment"], finding["line"]) == (name(4), 2, 7)
    assert (told["unlogged"], told["removed_segments"], told["anchored"]) == (7, 3, False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--anchor", "nowhere"], "nowhere: the anchor cannot be read"),
        (["--anchor", "audit"], "audit: the anchor cannot be read"),
        (["--anchor", "auditor.key"], "auditor.key: holds no head"),
    ],
)
def test_an_anchor_that_is_none_exits_2(root: Path, arguments: list[str], says: str) -> None:
    assert says in assert_one_line(verify(root, *arguments), 2)


@pytest.mark.parametrize("days", ["-1", "x", "nan", "inf", "1e9"])
def test_a_retention_that_is_none_exits_2(root: Path, days: str) -> None:
    done = verify(root, "--retention", days)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_long_folder_shows_a_bar_on_a_terminal_and_only_there(root: Path) -> None:
    with (root / f"audit/{name(9)}.000001.jsonl").open("wb") as file:
        file.truncate(100 << 20)
    assert verify(root).stderr == ""
    ours, theirs = pty.openpty()
    command = [str(PROGRAM), "audit", "verify", "audit", "--key", "auditor.key"]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(command, cwd=root, check=False, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
        os.close(theirs)
        shown = terminal.read(4_096)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 1
    assert b"MB" in shown


def test_a_forged_head_cannot_break_the_terminal(root: Path) -> None:
    write_anchor(root / "heads.jsonl", [Head("\x1b[2J\n\udcff", 1, "00")])
    done = verify(root, "--anchor", "heads.jsonl")
    assert done.returncode == 5
    assert done.stdout[:-1].isprintable()
    assert done.stdout.isascii()
