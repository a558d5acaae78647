"""The reader: all streams in order of time, every record once, and nothing that is no record."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope.errors import AuditError
from storescope.middleware._audit._files import MOST_LINE_BYTES, streams_of
from storescope.middleware._audit._reading import _read
from storescope.middleware._audit._reading._cursor import Problem
from storescope.middleware._audit._reading._read import LogReader
from tests.audit.lines import MAC, line, pack, ts, write
from tests.audit.logs import make_folder
from tests.rounds import LONG

if TYPE_CHECKING:
    from storescope.middleware._audit._reading._cursor import Entry


def read_all(folder: Path, since: str | None = None) -> tuple[list[Entry], list[Problem]]:
    problems: list[Problem] = []
    with LogReader(folder, problems.append, since=since) as reader:
        return [*reader.read(), *reader.finish()], problems


def places(entries: list[Entry]) -> list[tuple[str, int]]:
    return [(entry.record["stream"], entry.record["seq"]) for entry in entries]


def test_a_real_folder_is_read_to_the_last_byte(tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path)
    entries, problems = read_all(folder)
    on_disk = {line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()}
    assert {entry.line for entry in entries} == on_disk
    assert len(entries) == len(on_disk)
    assert [entry.ts for entry in entries] == sorted(entry.ts for entry in entries)
    assert not problems


def test_streams_are_merged_over_segments_and_compressed_files(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, (line("a", seq, seq * 2) for seq in (1, 2, 3)), packed=True)
    write(tmp_path, "a", 2, (line("a", seq, seq * 2) for seq in (4, 5, 6)))
    write(tmp_path, "b", 1, (line("b", seq, seq * 2 + 1) for seq in (1, 2, 3)))
    write(tmp_path, "b", 2, (line("b", seq, seq * 2 + 1) for seq in (4, 5, 6)), packed=True)
    entries, problems = read_all(tmp_path)
    assert places(entries) == [(stream, seq) for seq in range(1, 7) for stream in "ab"]
    assert not problems


def test_a_stream_keeps_its_own_order_when_its_clock_was_set_back(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [line("a", 1, 10), line("a", 2, 5), line("a", 3, 30)])
    write(tmp_path, "b", 1, [line("b", 1, 20)])
    assert places(read_all(tmp_path)[0]) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]


def test_a_record_without_a_time_stands_where_the_one_before_it_does(tmp_path: Path) -> None:
    """Who has a writer's key may write anything: what the verifier takes must not hide from the viewer."""
    write(tmp_path, "a", 1, [line("a", 1, 10), line("a", 2, 0, ts=["never"]), line("a", 3, 30)])
    write(tmp_path, "b", 1, [line("b", 1, 20)])
    entries, problems = read_all(tmp_path)
    assert places(entries) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    assert entries[1].ts == ts(10)
    assert not problems


def test_a_segment_that_is_there_in_both_forms_is_read_once(tmp_path: Path) -> None:
    lines = [line("a", 1, 1), line("a", 2, 2)]
    write(tmp_path, "a", 1, lines)
    write(tmp_path, "a", 1, lines, packed=True)
    assert places(read_all(tmp_path)[0]) == [("a", 1), ("a", 2)]


def test_hundreds_of_streams_at_once_need_few_open_files(tmp_path: Path) -> None:
    for number in range(200):
        stream = f"s{number:03d}"
        write(tmp_path, stream, 1, (line(stream, seq, seq) for seq in (1, 2, 3)), packed=number % 10 == 0)
    most = 0
    found: list[Entry] = []
    before = _open_files()
    with LogReader(tmp_path) as reader:
        for entry in reader.read():
            found.append(entry)
            most = max(most, _open_files() - before)
    assert most <= 65
    assert places(found) == [(f"s{number:03d}", seq) for seq in (1, 2, 3) for number in range(200)]


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_long_lines_that_wait_are_not_kept_in_memory(tmp_path: Path) -> None:
    size = 1024 * 1024
    for number in range(40):
        write(tmp_path, f"s{number}", 1, [line(f"s{number}", seq, seq, note="x" * size) for seq in (1, 2)])
    tracemalloc.start()
    with LogReader(tmp_path) as reader:
        count = sum(1 for _ in reader.read())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 80
    assert peak < 30 * size


GOOD = line("a", 2, 2)
DAMAGED = {
    "a name given twice": GOOD.replace(b'"outcome":"ok"', b'"outcome":"error","outcome":"ok"'),
    "one given twice inside": line("a", 2, 2, note={"x": 1}).replace(b'{"x":1}', b'{"x":1,"x":2}'),
    "half of it": GOOD[:100] + b"\n",
    "not JSON": b"what is this?\n",
    "no object": b'["seq"]\n',
    "nothing": b"\n",
    "not a number": GOOD.replace(b'"attempt":1', b'"attempt":NaN'),
    "another order": GOOD.replace(b'"seq":2,"stream":"a"', b'"stream":"a","seq":2'),
    "seq is no integer": GOOD.replace(b'"seq":2', b'"seq":true'),
    "something behind the MAC": GOOD.replace(b"}\n", b"} \n"),
    "a carriage return between": GOOD.replace(b',"stream"', b',\r"stream"'),
    "not ASCII": line("a", 2, 2, actor="@").replace(b"@", "é".encode()),
    "another MAC in front": GOOD.replace(b'"mac":', b'"other":'),
    "UTF-16": GOOD[:-1].decode().encode("utf-16") + b"\n",
    "deep": GOOD.replace(b',"mac"', b',"x":' + b"[" * 5000 + b"]" * 5000 + b',"mac"'),
    "deeper than one can print": GOOD.replace(b',"mac"', b',"x":' + b"[" * 200 + b"1" + b"]" * 200 + b',"mac"'),
    "a number of too many digits": GOOD.replace(b'"attempt":1', b'"attempt":' + b"1" * 5000),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_record_is_reported_and_never_shown(name: str, packed: bool, tmp_path: Path) -> None:
    path = write(tmp_path, "a", 1, [line("a", 1, 1), DAMAGED[name], line("a", 3, 3)], packed=packed)
    entries, problems = read_all(tmp_path)
    assert places(entries) == [("a", 1), ("a", 3)]
    assert [(problem.path, problem.line) for problem in problems] == [(path, 2)]
    assert "not an audit record" in problems[0].what


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    long = line("a", 2, 2, note="x" * (MOST_LINE_BYTES + 10))
    path = write(tmp_path, "a", 1, [line("a", 1, 1), long, line("a", 3, 3)])
    entries, problems = read_all(tmp_path)
    assert places(entries) == [("a", 1), ("a", 3)]
    assert problems == [Problem(path, 2, "the line is longer than any record can be")]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("segment", [1, 2])
def test_a_torn_line_is_reported_at_the_end_of_any_segment(segment: int, packed: bool, tmp_path: Path) -> None:
    files = {number: [line("a", number * 2 - 1, number)] for number in (1, 2)}
    files[segment].append(line("a", 9, 9)[:-1])  # whole but for its line feed: the verifier does not count it
    paths = {number: write(tmp_path, "a", number, files[number], packed=packed) for number in files}
    entries, problems = read_all(tmp_path)
    assert places(entries) == [("a", 1), ("a", 3)]
    assert problems == [Problem(paths[segment], 2, "the line is torn: it has no end")]


@pytest.mark.parametrize("damage", ["cut", "noise", "flipped"])
def test_a_file_that_does_not_unpack_is_reported_and_the_next_is_read(damage: str, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(200_000).hex()
    path = write(tmp_path, "a", 1, [line("a", 1, 1), line("a", 2, 2, note=noise)], packed=True)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    damaged = {"cut": bytes(data[:-100]), "noise": b"noise", "flipped": bytes(data)}
    path.write_bytes(damaged[damage])
    write(tmp_path, "a", 2, [line("a", 3, 3)])
    entries, problems = read_all(tmp_path)
    assert ("a", 3) in places(entries)
    assert len(entries) < 3 or damage == "flipped"
    assert problems
    assert {problem.path for problem in problems} == {path}


def test_a_file_of_something_else_is_not_reported_line_by_line(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [b"noise\n"] * 1000)
    problems: list[Problem] = []
    with LogReader(tmp_path, problems.append) as reader:
        assert not list(reader.read())
        assert reader.problems == 1000
    assert len(problems) == 20
    assert "no more is said of this file" in problems[-1].what


def test_files_that_no_writer_makes_are_reported_and_never_opened(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [line("a", 1, 1)])
    os.mkfifo(tmp_path / "pipe.000001.jsonl")  # to open it would wait for ever
    (tmp_path / "folder.000001.jsonl").mkdir()
    (tmp_path / "copy of a.jsonl").write_bytes(line("a", 1, 1))
    (tmp_path / "id.key").touch()
    entries, problems = read_all(tmp_path)
    assert places(entries) == [("a", 1)]
    strangers = {"pipe.000001.jsonl", "folder.000001.jsonl", "copy of a.jsonl"}
    assert {problem.path.name for problem in problems} == strangers
    assert len(problems) == len(strangers)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_folder_that_is_none_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "audit"
    if kind == "file":
        path.touch()
    with pytest.raises(AuditError, match="audit: cannot be read"):
        LogReader(path)


def test_reading_ends_although_a_writer_is_faster(tmp_path: Path) -> None:
    path = write(tmp_path, "a", 1, [line("a", 1, 1)])
    with LogReader(tmp_path) as reader:
        for count, entry in enumerate(reader.read(), start=1):
            assert count < 10
            with path.open("ab") as file:
                file.write(line("a", entry.record["seq"] + 1, 1) * 3)


class TestFollowing:
    def test_a_line_is_shown_once_it_is_whole(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a", 1, [line("a", 1, 1)])
        with LogReader(tmp_path) as reader, path.open("ab", buffering=0) as file:
            assert places(list(reader.read())) == [("a", 1)]
            second = line("a", 2, 2)
            for piece in (second[:7], second[7:-1]):
                file.write(piece)
                assert not list(reader.read())
            file.write(second[-1:] + line("a", 3, 3)[:50])
            assert places(list(reader.read())) == [("a", 2)]
            assert not reader.problems

    def test_a_writer_in_the_middle_of_its_last_line_is_given_a_moment(self, tmp_path: Path) -> None:
        second = line("a", 2, 2)
        path = write(tmp_path, "a", 1, [line("a", 1, 1), second[:50]])
        with LogReader(tmp_path) as reader:
            assert places(list(reader.read())) == [("a", 1)]
            with path.open("ab") as file:
                file.write(second[50:])
            assert places(list(reader.finish())) == [("a", 2)]
            assert not reader.problems

    def test_rotation_compression_and_new_streams(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a", 1, [line("a", 1, 1)])
        with LogReader(tmp_path) as reader:
            assert places(list(reader.read())) == [("a", 1)]
            with first.open("ab") as file:  # what it held at its end was not read when it was compressed
                file.write(line("a", 2, 2) + line("a", 3, 3, "seal", closes="segment"))
            pack(first)
            second = write(tmp_path, "a", 2, [line("a", 4, 4, "header")])
            write(tmp_path, "b", 1, [line("b", 1, 2.5)])
            assert places(list(reader.read())) == [("a", 2), ("b", 1), ("a", 3), ("a", 4)]
            pack(second)
            assert not list(reader.read())
            assert not reader.problems

    def test_what_retention_takes_is_not_missed(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a", 1, [line("a", 1, 1), line("a", 2, 2, "seal", closes="segment")])
        write(tmp_path, "a", 2, [line("a", 3, 3)])
        alone = write(tmp_path, "b", 1, [line("b", 1, 1), line("b", 2, 2, "seal", closes="stream")])
        with LogReader(tmp_path) as reader:
            assert len(list(reader.read())) == 5
            first.unlink()
            alone.unlink()
            assert not list(reader.read())
            assert not list(reader.finish())
            assert not reader.problems

    def test_a_file_that_got_shorter_is_reported(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a", 1, [line("a", 1, 1), line("a", 2, 2)])
        problems: list[Problem] = []
        with LogReader(tmp_path, problems.append) as reader:
            assert len(list(reader.read())) == 2
            path.write_bytes(line("a", 1, 1))
            assert not list(reader.read())
            assert not list(reader.read())
        assert problems == [Problem(path, 0, "is shorter than what was read of it")]

    def test_a_file_taken_away_unread_is_reported(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a", 1, [line("a", 1, 1)])
        problems: list[Problem] = []
        with LogReader(tmp_path, problems.append) as reader:
            path.unlink()
            reader._listed_at = tmp_path.stat().st_mtime_ns  # it was taken after it was listed
            assert not list(reader.read())
        assert problems == [Problem(path, 0, "was taken away before it was read to its end")]

    def test_a_file_packed_after_it_was_listed_is_read_on(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a", 1, [line("a", 1, 1)])
        with LogReader(tmp_path) as reader:
            assert len(list(reader.read())) == 1
            with path.open("ab") as file:
                file.write(line("a", 2, 2))
            pack(path)
            reader._listed_at = tmp_path.stat().st_mtime_ns
            assert places(list(reader.read())) == [("a", 2)]
            assert not reader.problems

    @pytest.mark.parametrize(
        ("instead", "shown"),
        [
            (line("b", 9, 0.5), [("a", 1), ("b", 9), ("a", 2)]),
            (line("b", 9, 9), [("a", 1), ("a", 2), ("b", 9)]),
            (b"noise\n", [("a", 1), ("a", 2)]),
            (None, [("a", 1), ("a", 2)]),
        ],
    )
    def test_what_changed_while_it_waited_is_read_as_it_is_now(
        self,
        instead: bytes | None,
        shown: list[tuple[str, int]],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A stream whose turn is far away holds no file; what it had in mind may be gone when its turn comes."""
        monkeypatch.setattr(_read, "_MOST_OPEN", 1)
        write(tmp_path, "a", 1, [line("a", 1, 1), line("a", 2, 3)])
        path = write(tmp_path, "b", 1, [line("b", 1, 2)])
        with LogReader(tmp_path) as reader:
            reading = reader.read()
            found = [next(reading)]
            if instead is None:
                path.unlink()
            else:
                path.write_bytes(instead)
            found += reading
        assert places(found) == shown

    @pytest.mark.parametrize("seed", range(15))
    def test_whatever_happens_every_record_is_shown_once(self, seed: int, tmp_path: Path) -> None:
        """Random writers: they append in pieces, rotate, compress, retain and begin anew, while one reads."""
        chance = random.Random(seed)
        writers = [_Writer(tmp_path, f"w{number}", chance) for number in range(3)]
        shown: list[tuple[str, int]] = []
        with LogReader(tmp_path) as reader:
            for step in range(150):
                if chance.random() < 0.05:
                    writers.append(_Writer(tmp_path, f"w{len(writers)}", chance))
                chance.choice(writers).act(step)
                if chance.random() < 0.3:
                    shown += places(list(reader.read()))
                    for writer in writers:
                        writer.retain()
            for writer in writers:
                writer.complete()
            shown += places(list(reader.read()))
            assert not reader.problems
        seen: defaultdict[str, list[int]] = defaultdict(list)
        for stream, seq in shown:
            seen[stream].append(seq)
        assert dict(seen) == {writer.stream: list(range(1, writer.seq + 1)) for writer in writers if writer.seq}


class _Writer:
    def __init__(self, folder: Path, stream: str, chance: random.Random) -> None:
        self.folder, self.stream, self.chance = folder, stream, chance
        self.seq = 0
        self.segment = 1
        self.rest = b""
        self.closed: list[Path] = []
        self.path = write(folder, stream, 1, [])

    def act(self, step: int) -> None:
        doing = self.chance.random()
        if doing < 0.7:
            if not self.rest:
                self.seq += 1
                self.rest = line(self.stream, self.seq, step)
            self._write(self.chance.choice([len(self.rest), self.chance.randrange(1, len(self.rest) + 1)]))
        elif doing < 0.85:
            self.complete()
            self.seq += 1
            self.rest = line(self.stream, self.seq, step, "seal", closes="segment")
            self.complete()
            self.closed.append(self.path)
            self.segment += 1
            self.path = write(self.folder, self.stream, self.segment, [])
        elif self.closed and self.closed[-1].suffix == ".jsonl":
            self.closed[-1] = pack(self.closed[-1])

    def complete(self) -> None:
        self._write(len(self.rest))

    def retain(self) -> None:
        """Take away old segments; called only when all was read."""
        while len(self.closed) > 2:
            self.closed.pop(0).unlink()

    def _write(self, size: int) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(self.rest[:size])
        self.rest = self.rest[size:]


class TestSince:
    def test_segments_and_streams_that_ended_long_before_are_passed_over(self, tmp_path: Path) -> None:
        old, day = "2026-11-22T02:00:00.000000Z", "2026-11-23T02:00:00.000000Z"
        noise = b"noise that is not looked at\n"
        write(tmp_path, "a", 1, [noise, noise])
        write(tmp_path, "a", 2, [line("a", 5, 0, "header", ts=old), noise], packed=True)
        write(tmp_path, "a", 3, [line("a", 7, 0, "header", ts=old), line("a", 8, 0, ts=day)])
        write(tmp_path, "b", 1, [noise, line("b", 2, 0, "seal", ts=old, closes="stream")])
        entries, problems = read_all(tmp_path, since="2026-11-23T00:00:00.000000Z")
        assert places(entries) == [("a", 7), ("a", 8)]
        assert not problems

    def test_a_clock_may_have_been_set_back_a_little(self, tmp_path: Path) -> None:
        write(tmp_path, "a", 1, [line("a", 1, 600), line("a", 2, 1800, "seal", closes="segment")])
        write(tmp_path, "a", 2, [line("a", 3, 1200, "header"), line("a", 4, 1200, "seal", closes="stream")])
        entries, _ = read_all(tmp_path, since=ts(1500))
        assert ("a", 2) in places(entries)

    def test_a_stream_that_may_go_on_is_read(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a", 1, [line("a", 1, 0, ts="2020-01-01T00:00:00.000000Z")])
        with LogReader(tmp_path, since=ts(0)) as reader:
            assert len(list(reader.read())) == 1
            with path.open("ab") as file:
                file.write(line("a", 2, 1))
            assert places(list(reader.read())) == [("a", 2)]

    def test_what_cannot_be_told_is_read(self, tmp_path: Path) -> None:
        write(tmp_path, "a", 1, [line("a", 1, 1)])
        write(tmp_path, "a", 2, [b"noise\n", line("a", 3, 3), b"noise\n"])
        (tmp_path / "b.000001.jsonl.gz").write_bytes(b"noise")
        entries, problems = read_all(tmp_path, since=ts(3000))
        assert places(entries) == [("a", 1), ("a", 3)]
        assert len(problems) == 3

    def test_a_closed_stream_stays_passed_over(self, tmp_path: Path) -> None:
        seal = line("a", 1, 0, "seal", ts="2020-01-01T00:00:00.000000Z", closes="stream")
        write(tmp_path, "a", 1, [seal])
        with LogReader(tmp_path, since=ts(0)) as reader:
            assert not list(reader.read())
            write(tmp_path, "b", 1, [line("b", 1, 1)])
            assert places(list(reader.read())) == [("b", 1)]
            assert reader.streams == 2

    @pytest.mark.parametrize("since", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
    def test_the_ends_of_the_calendar(self, since: str, tmp_path: Path) -> None:
        write(tmp_path, "a", 1, [line("a", 1, 1)])
        assert len(read_all(tmp_path, since=since)[0]) == 1


@settings(max_examples=200 if LONG else 60)
@given(st.data())
def test_hostile_bytes_are_reported_and_never_more(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """No crash, and what is shown is, byte for byte, a line of the file that a strict parser takes."""
    folder = tmp_path_factory.mktemp("fuzz")
    whole = b"".join(line("a", seq, seq, note="é") for seq in range(1, 4))
    position = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 40))
    noise = data.draw(st.binary(max_size=20) | st.sampled_from([b"\n", b'"', b"{", b'"seq":1,', MAC.encode()]))
    changed = whole[:position] + noise + whole[position + cut :]
    write(folder, "a", 1, [changed], packed=data.draw(st.booleans()))
    entries, problems = read_all(folder)
    lines = changed.split(b"\n")[:-1]
    assert {entry.line for entry in entries} <= set(lines)
    torn = not changed.endswith(b"\n") and bool(changed)
    assert len(entries) + len(problems) == len(lines) + torn


def test_a_segment_that_is_packed_while_the_folder_is_listed_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plain file was listed and is gone, its packed one was not there yet when those were listed."""
    path = write(tmp_path, "a", 1, [line("a", 1, 1)])
    glob = Path.glob

    def slow_glob(folder: Path, pattern: str) -> list[Path]:
        found = list(glob(folder, pattern))
        if pattern.endswith(".gz") and path.exists():
            pack(path)
        return found

    monkeypatch.setattr(Path, "glob", slow_glob)
    (segment,) = streams_of(tmp_path)["a"]
    assert (segment.number, segment.packed) == (1, True)
