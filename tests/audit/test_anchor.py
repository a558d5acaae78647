"""`storescope audit anchor`: the heads as they are, also of compressed and torn files, and durable elsewhere."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING

import pytest

from storescope.errors import AuditError
from storescope.middleware._audit._files import MOST_LINE_BYTES
from storescope.middleware._audit._line import is_ts
from storescope.middleware._audit._reading._heads import anchor_lines, append_lines
from tests.apps.command import assert_one_line, storescope_here
from tests.audit.lines import MAC, line, pack, write
from tests.audit.logs import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.middleware._audit._reading._cursor import Problem


def heads(folder: Path) -> tuple[list[tuple[str, int]], list[Problem]]:
    problems: list[Problem] = []
    found = [json.loads(head) for head in anchor_lines(folder, problems.append)]
    assert all(head["mac"] == MAC and is_ts(head["anchored_at"]) for head in found)
    return [(head["stream"], head["seq"]) for head in found], problems


def test_the_command_prints_the_last_record_of_every_stream(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path)
    wanted = [json.loads(path.read_bytes().splitlines()[-1]) for path in sorted(folder.glob("*.jsonl"))]
    for packed in (False, True):
        done = storescope_here("audit", "anchor", folder, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [list(head) for head in found] == [["stream", "seq", "mac", "anchored_at"]] * 3
        assert [[head[name] for name in ("stream", "seq", "mac")] for head in found] == [
            [record[name] for name in ("stream", "seq", "mac")] for record in wanted
        ]
        if not packed:
            pack(next(folder.glob("*.jsonl")))


@pytest.mark.parametrize("packed", [False, True])
def test_the_last_segment_has_the_head(packed: bool, tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [line("a", 1, 1), line("a", 2, 2)])
    write(tmp_path, "a", 2, [line("a", 3, 3), line("a", 4, 4)], packed=packed)
    assert heads(tmp_path) == ([("a", 4)], [])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rest", [b"", b'{"seq":5', line("a", 5, 5)[:-1]])
def test_a_line_without_its_end_is_no_head(rest: bytes, packed: bool, tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [line("a", 3, 3), line("a", 4, 4), rest], packed=packed)
    assert heads(tmp_path) == ([("a", 4)], [])


@pytest.mark.parametrize("rest", [b"", line("a", 5, 5)[:100]])
def test_where_a_new_segment_has_no_whole_line_yet_the_one_before_has_the_head(
    rest: bytes, tmp_path: Path
) -> None:
    write(tmp_path, "a", 1, [line("a", 4, 4)])
    write(tmp_path, "a", 2, [rest])
    write(tmp_path, "b", 1, [rest])  # nothing of this one was ever whole
    assert heads(tmp_path) == ([("a", 4)], [])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [10, 65_000, 65_536, 300_000, 3_000_000])
def test_long_lines_are_read_whole(size: int, packed: bool, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(size // 2).hex()
    for lines in ([line("a", 1, 1, note=noise)], [line("a", 1, 1), line("a", 2, 2, note=noise), b"x" * size]):
        write(tmp_path, "a", 1, lines, packed=packed)
        count = sum(each.endswith(b"\n") for each in lines)
        assert heads(tmp_path) == ([("a", count)], [])


DAMAGED = {
    "noise": [line("a", 1, 1), b"noise\n"],
    "of another stream": [line("b", 1, 1)],
    "too long": [line("a", 1, 1), line("a", 2, 2, note="x" * MOST_LINE_BYTES)],
    "too long and torn": [line("a", 1, 1), b"x" * (9 * MOST_LINE_BYTES)],
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", DAMAGED)
def test_an_end_that_is_no_record_is_no_head(name: str, packed: bool, tmp_path: Path) -> None:
    path = write(tmp_path, "a", 1, DAMAGED[name], packed=packed)
    write(tmp_path, "c", 1, [line("c", 1, 1)])
    found, problems = heads(tmp_path)
    assert found == [("c", 1)]
    assert [problem.path for problem in problems] == [path]


def test_the_command_says_which_stream_has_no_head(tmp_path: Path) -> None:
    write(tmp_path / "audit", "a", 1, [b"noise\n"])
    write(tmp_path / "audit", "b", 1, [line("b", 1, 1)], packed=True)
    (tmp_path / "audit" / "c.000001.jsonl.gz").write_bytes(b"noise")
    done = storescope_here("audit", "anchor", "audit", cwd=tmp_path)
    assert done.returncode == 1
    assert [json.loads(line)["stream"] for line in done.stdout.splitlines()] == ["b"]
    first, second = done.stderr.splitlines()
    assert first.startswith("storescope: audit/a.000001.jsonl: has no head: it is not JSON")
    assert second.startswith("storescope: audit/c.000001.jsonl.gz: has no head: ")


def test_append_adds_to_a_file_and_says_so(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path, streams=2)
    printed = ""
    for _ in range(2):
        done = storescope_here("audit", "anchor", folder, "--append", "anchors.jsonl", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stderr == "2 heads appended to anchors.jsonl, on the disk\n"
        printed += done.stdout
    assert (tmp_path / "anchors.jsonl").read_text() == printed


def test_append_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "anchors"
    append_lines(path, ["{}"], folder=tmp_path / "audit")
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]  # the file, and its name


def test_what_a_crash_left_of_an_append_stays_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    path.write_bytes(b'{"stream":"a","se')
    append_lines(path, ['{"stream":"b"}'], folder=tmp_path / "audit")
    assert path.read_bytes() == b'{"stream":"a","se\n{"stream":"b"}\n'


def test_an_anchor_inside_the_folder_is_refused(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path, streams=1)
    (tmp_path / "link").symlink_to(folder)
    for path in (folder / "anchors.jsonl", tmp_path / "link" / "x"):
        with pytest.raises(AuditError, match="keep anchors elsewhere"):
            append_lines(path, ["{}"], folder=folder)
        assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere: holds no audit stream"),
        (["audit", "--append", "nowhere/anchors"], "nowhere/anchors: the anchor cannot be written"),
        (["audit", "--append", "audit/anchors"], "lies in the audit folder"),
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    write(tmp_path / "audit", "a", 1, [line("a", 1, 1)])
    assert says in assert_one_line(storescope_here("audit", "anchor", *arguments, cwd=tmp_path), 2)
