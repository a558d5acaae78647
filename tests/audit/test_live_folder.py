"""A folder that is written to, packed and cleared while it is verified is never said to be altered or cut."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storescope.middleware._audit._files import log_files
from storescope.middleware._audit._verify import Verdict, _folder, _stream, verify
from storescope.middleware._audit._verify._read import read_lines
from tests.audit.forge import Maker, name, write_anchor, write_keys
from tests.audit.verdicts import both
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.unmeasured

SECONDS = 3 * SCALE


@pytest.mark.timeout(60 + 10 * SECONDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_busy_folder_is_unsealed_and_nothing_worse(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.audit.busy_writer", str(tmp_path), str(seed)]
    found: Counter[Verdict] = Counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            report = verify(tmp_path / "audit", tmp_path / "auditor.key")
            found[report.verdict] += 1
            assert report.verdict in {Verdict.UNSEALED, Verdict.INTACT}, report.summary()
        writer.stdin.close()
        streams = int(writer.stdout.read())
    assert found.total() > 5
    assert streams > 5
    assert both(tmp_path / "audit", tmp_path / "auditor.key") is Verdict.UNSEALED


class Meanwhile:
    """Does something when the verifier comes to a segment, as a writer in the middle of it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, when: tuple[str, int], do: Callable[[], object]) -> None:
        self._when, self._do = when, do
        monkeypatch.setattr(_stream, "read_lines", self._read_lines)

    def _read_lines(
        self, folder: Path, stream: str, number: int, position: int, progress: Callable[[int], None]
    ) -> Iterator[tuple[list[bytes], bytes]]:
        if (stream, number) == self._when:
            self._when = ("", 0)
            self._do()
        return read_lines(folder, stream, number, position, progress)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, Path, list[Maker]]:
    """Three open streams of two segments each."""
    auditor, key = write_keys(tmp_path)
    made = [Maker(auditor, name(number)) for number in (1, 2, 3)]
    for one in made:
        one.header().calls().seal("segment").header().calls().save(tmp_path / "audit")
    return tmp_path / "audit", key, made


def test_a_head_that_is_younger_than_what_was_read_is_let_be(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key, (one, two, three_) = three

    def write() -> None:
        one.calls(5).save(folder)
        two.seal("segment").header([one.head]).calls().save(folder)

    Meanwhile(monkeypatch, (three_.stream, 1), write)
    assert verify(folder, key).verdict is Verdict.UNSEALED


def test_what_is_removed_before_it_is_read_is_looked_up_in_a_later_tombstone(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key, (one, _, last) = three

    def remove() -> None:
        one.tombstone([last.seals[1]]).save(folder)
        (folder / f"{last.stream}.000001.jsonl").unlink()

    Meanwhile(monkeypatch, (last.stream, 1), remove)
    report = verify(folder, key)
    assert report.verdict is Verdict.UNSEALED
    assert report.removed == 1


def test_what_goes_without_a_tombstone_is_missing_all_the_same(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key, (one, _, last) = three

    def remove() -> None:
        one.calls().save(folder)
        (folder / f"{last.stream}.000001.jsonl").unlink()

    Meanwhile(monkeypatch, (last.stream, 1), remove)
    assert verify(folder, key).verdict is Verdict.MISSING


@pytest.mark.parametrize("verdict", [Verdict.UNSEALED, Verdict.MISSING], ids=["with a tombstone", "without"])
def test_a_whole_stream_that_goes_meanwhile(
    verdict: Verdict, three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, key, (one, _, last) = three
    last.seal("stream").save(folder)
    anchor = write_anchor(tmp_path / "anchor", [last.head])

    def remove() -> None:
        if verdict is Verdict.UNSEALED:
            one.tombstone(last.seals.values()).save(folder)
        for number in (1, 2):
            (folder / f"{last.stream}.{number:06d}.jsonl").unlink()

    Meanwhile(monkeypatch, (last.stream, 1), remove)
    assert verify(folder, key, anchor=anchor).verdict is verdict


def test_a_segment_that_is_packed_meanwhile_is_read_on_in_its_packed_form(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first segment's rest is only there packed when it is looked for."""
    folder, key, (one, _, last) = three

    def go_on() -> None:
        one.calls(3).seal("segment").header().calls().save(folder, packed=[1, 2])
        for number in (1, 2):
            (folder / f"{one.stream}.{number:06d}.jsonl").unlink()
        (folder / f"{last.stream}.000001.jsonl").unlink()  # what makes the verifier look again

    Meanwhile(monkeypatch, (last.stream, 1), go_on)
    report = verify(folder, key)
    assert report.verdict is Verdict.MISSING
    assert {finding.stream for finding in report.findings if finding.verdict is Verdict.MISSING} == {last.stream}
    assert next(part.seq for part in report.by_stream if part.stream == one.stream) == one.seq


def test_half_a_line_that_a_writer_takes_back_is_not_held_against_it(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key, (one, _, _) = three
    path = folder / f"{one.stream}.000002.jsonl"
    sound = path.read_bytes()
    path.write_bytes(sound + b'{"seq":13,"half a li\n')  # what one sees who reads on while it is overwritten
    reads = iter((None, lambda: path.write_bytes(sound)))

    def read(*given: object) -> Iterator[tuple[list[bytes], bytes]]:
        if given[1:3] == (one.stream, 2) and (do := next(reads)) is not None:
            do()
        return read_lines(*given)  # type: ignore[arg-type] # passed through

    monkeypatch.setattr(_stream, "read_lines", read)
    assert verify(folder, key).verdict is Verdict.UNSEALED


def test_a_listing_that_misses_a_segment_is_made_up_for(
    three: tuple[Path, Path, list[Maker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a segment is packed, a listing may come too early for the one form and too late for the other."""
    folder, key, (one, _, _) = three
    listings = 0

    def miss(path: Path) -> list[Path]:
        nonlocal listings
        listings += 1
        return [found for found in log_files(path) if listings > 1 or found.name != f"{one.stream}.000001.jsonl"]

    monkeypatch.setattr(_folder, "log_files", miss)
    assert verify(folder, key).verdict is Verdict.UNSEALED
    assert listings > 1
