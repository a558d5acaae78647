"""What was changed is found, by our verifier and by one that knows only the format page."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._keys import generate, load_secret
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.forge import Maker
from tests.audit.logs import make_folder, write_some
from tests.audit.spoiling import LINES, change_lines
from tests.audit.verdicts import both
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@pytest.fixture(scope="module")
def sound() -> Generator[tuple[Path, Path]]:
    """A sound folder, which tests only read, and its key."""
    with tempfile.TemporaryDirectory() as root:
        yield make_folder(Path(root))


@pytest.fixture
def folder(sound: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the sound folder, for a test to spoil."""
    shutil.copytree(sound[0], tmp_path / "audit")
    return tmp_path / "audit"


def streams(folder: Path) -> list[Path]:
    """Return the streams' files, the oldest first, by the times that `make_folder` set."""
    return sorted(folder.glob("*.jsonl"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def test_a_sound_folder_is_intact(sound: tuple[Path, Path]) -> None:
    assert both(*sound) == Verdict.INTACT
    report = verify(*sound)
    assert (report.streams, report.records, report.findings) == (3, 3 * 8, [])
    assert report.summary() == "intact: 24 records in 3 streams; self-consistent, not anchored"


def test_every_changed_byte_is_found(folder: Path, sound: tuple[Path, Path]) -> None:
    """No byte of a sealed stream can be changed."""
    path = streams(folder)[0]
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        assert both(folder, sound[1]) not in {Verdict.INTACT, Verdict.UNSEALED}


@st.composite
def spoilings(draw: st.DrawFn) -> list[tuple[str, int, int, bytes]]:
    one = st.tuples(st.sampled_from(LINES), st.integers(0, 10**6), st.integers(0, 10**6), st.binary(max_size=40))
    return draw(st.lists(one, min_size=1, max_size=3))


def spoil(paths: list[Path], kind: str, first: int, second: int, junk: bytes) -> None:
    path, other = paths[first % len(paths)], paths[second % len(paths)]
    path.write_bytes(change_lines(kind, path.read_bytes(), other.read_bytes(), second, junk))


@pytest.mark.unmeasured
@settings(max_examples=300 if LONG else 100, deadline=None)
@given(changes=spoilings())
def test_no_change_passes_as_intact(sound: tuple[Path, Path], changes: list[tuple[str, int, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "audit"
        shutil.copytree(sound[0], folder)
        before = {path.name: path.read_bytes() for path in streams(folder)}
        paths = streams(folder)
        for change in changes:
            spoil(paths, *change)
        found = both(folder, sound[1])
        unchanged = before == {path.name: path.read_bytes() for path in streams(folder)}
        assert (found == Verdict.INTACT) == unchanged


def test_an_open_stream_is_unsealed(tmp_path: Path) -> None:
    public, key = generate(tmp_path / "auditor")
    with AuditLog.open(tmp_path / "audit", auditor=public):
        assert both(tmp_path / "audit", key) == Verdict.UNSEALED
    assert both(tmp_path / "audit", key) == Verdict.INTACT


def test_the_last_streams_end_cut_off_is_unsealed(folder: Path, sound: tuple[Path, Path]) -> None:
    path = streams(folder)[-1]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    assert both(folder, sound[1]) == Verdict.UNSEALED
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:50])
    assert both(folder, sound[1]) == Verdict.UNSEALED


def test_an_announced_streams_end_cut_off_is_truncation(folder: Path, sound: tuple[Path, Path]) -> None:
    path = streams(folder)[0]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    assert both(folder, sound[1]) == Verdict.TRUNCATED
    report = verify(folder, sound[1])
    assert report.summary().startswith(f"truncated: stream {path.name.split('.')[0]}")


def test_an_announced_stream_that_is_gone_is_missing(folder: Path, sound: tuple[Path, Path]) -> None:
    streams(folder)[1].unlink()
    assert both(folder, sound[1]) == Verdict.MISSING


def test_a_stream_written_anew_by_who_holds_the_public_key_is_found_by_announcement(
    folder: Path, sound: tuple[Path, Path], tmp_path: Path
) -> None:
    """What the docs say: a whole stream can be replaced, and only what others said of it tells."""
    public = sound[1].with_suffix(".pub")
    with AuditLog.open(tmp_path / "forged", auditor=public) as log:
        pass
    forged = streams(log.folder)[0].read_bytes()
    victim = streams(folder)[0]
    victim.write_bytes(forged)
    assert both(folder, sound[1]) == Verdict.ALTERED  # its lines name another stream


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"' + b"x" * 100_000 + b'"',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"mac":1}',
        b'{"seq":1e999,"mac":"' + b"0" * 64 + b'"}',
    ],
    ids=lambda line: repr(line[:20]),
)
@pytest.mark.parametrize("where", [0, 3])
def test_hostile_lines_are_altered_and_harm_nothing(
    line: bytes, where: int, folder: Path, sound: tuple[Path, Path]
) -> None:
    path = streams(folder)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[where] = line + b"\n"
    path.write_bytes(b"".join(lines))
    assert both(folder, sound[1]) == Verdict.ALTERED


@pytest.mark.parametrize(
    "change",
    [
        {"seq": True},
        {"seq": "2"},
        {"phase": ["header"]},
        {"stream": None},
        {"format": "storescope-audit/9"},
        {"sealed": 1},
        {"sealed": "AAAA"},
        {"auditor": None},
        {"heads": 1},
        {"heads": [1]},
    ],
    ids=repr,
)
def test_headers_of_the_wrong_shape_are_refused(
    change: dict[str, Any], folder: Path, sound: tuple[Path, Path]
) -> None:
    path = streams(folder)[0]
    first, *rest = path.read_bytes().splitlines(keepends=True)
    header = {**json.loads(first), **change}
    path.write_bytes(json.dumps(header, separators=(",", ":")).encode() + b"\n" + b"".join(rest))
    assert both(folder, sound[1]) in {Verdict.ALTERED, Verdict.USAGE}


def test_a_line_without_end_is_not_read_into_memory(
    folder: Path, sound: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storescope.middleware._audit._verify._read.MOST_LINE_BYTES", 4096)
    path = streams(folder)[0]
    for content in (b"x" * 10_000, b"x" * 5_000 + b"\n"):
        path.write_bytes(content)
        report = verify(folder, sound[1])
        assert report.verdict is Verdict.ALTERED
        assert "longer than any record" in report.findings[0].what


def test_an_empty_file_is_unsealed(folder: Path, sound: tuple[Path, Path]) -> None:
    """What a writer leaves that was stopped between making its file and writing the header."""
    (folder / "20991231T235959Z-00000000.000001.jsonl").touch()
    assert both(folder, sound[1]) == Verdict.UNSEALED


def test_a_wrong_key_and_a_folder_without_streams_are_usage(
    folder: Path, sound: tuple[Path, Path], tmp_path: Path
) -> None:
    _, other = generate(tmp_path / "other")
    with pytest.raises(AuditError, match="the key is not the one"):
        verify(folder, other)
    for nothing in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AuditError, match="holds no audit stream"):
            verify(nothing, sound[1])


def test_a_file_that_cannot_be_read_is_one_clear_error(
    folder: Path, sound: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("storescope.middleware._audit._verify._stream.read_lines", fail)
    with pytest.raises(AuditError, match=r"audit: cannot be read: Input/output error"):
        verify(folder, sound[1])


@pytest.mark.parametrize(
    "name",
    [
        "{}.000002.jsonl",
        "{}.000000.jsonl",
        "{}.jsonl",
        "{}.0.jsonl",
        ".jsonl",
        ".jsonl.gz",
        "a\x1b[2J\udcff.jsonl",
    ],
)
def test_a_stream_given_twice_or_under_another_name_is_altered(
    name: str, folder: Path, sound: tuple[Path, Path]
) -> None:
    path = streams(folder)[0]
    shutil.copy(path, folder / name.format(path.name.split(".")[0]))
    assert both(folder, sound[1]) == Verdict.ALTERED
    summary = verify(folder, sound[1]).summary()
    assert summary.isascii()
    assert summary.isprintable()


def link_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, link_nowhere, link_to_itself, make_socket])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_is_no_file_is_altered_and_not_waited_for(
    ending: str, make: Callable[[Path], None], folder: Path, sound: tuple[Path, Path]
) -> None:
    make(folder / f"20200101T000000Z-00000000.000001.jsonl{ending}")
    assert both(folder, sound[1]) == Verdict.ALTERED


@pytest.mark.parametrize("behind", [b"x", b"\n", b'{"seq":9}\n'])
def test_nothing_stands_behind_the_closing_seal(behind: bytes, folder: Path, sound: tuple[Path, Path]) -> None:
    path = streams(folder)[-1]
    path.write_bytes(path.read_bytes() + behind)
    assert both(folder, sound[1]) == Verdict.ALTERED


def forge(folder: Path, key: Path, change: Callable[[str], str], *, mac_key: bytes = b"f" * 32) -> None:
    """Write a stream as who holds the public key can: every MAC fits, whatever the lines say."""
    auditor = load_secret(key).public_key
    Maker(auditor, "20991231T235959Z-00000000", key=mac_key, change=change).header().seal("stream").save(folder)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("nothing", "", Verdict.INTACT),
        ('"heads":[]', '"heads":1', Verdict.ALTERED),
        ('"heads":[]', '"heads":{}', Verdict.ALTERED),
        ('"heads":[]', '"heads":""', Verdict.ALTERED),
        ('"heads":[]', '"heads":[1]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{}]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{"stream":[],"seq":1,"mac":""}]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{"stream":"s","seq":true,"mac":""}]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{"stream":"s","seq":{},"mac":""}]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{"stream":"s","seq":1,"mac":null}]', Verdict.ALTERED),
        ('"heads":[]', '"heads":[{"stream":"\\n\\ud800","seq":1,"mac":""}]', Verdict.MISSING),
        (',"heads":[]', "", Verdict.ALTERED),
        ('"seq":1,', '"seq":true,', Verdict.ALTERED),
        ('"seq":1,', '"seq":1.0,', Verdict.ALTERED),
        ('"seq":2,', '"seq":3,', Verdict.ALTERED),
        ('"actor":null', '"actor":null,"actor":"x"', Verdict.ALTERED),
        ('"actor":null,', "", Verdict.ALTERED),
        ('"actor":null,"tenant":null', '"tenant":null,"actor":null', Verdict.ALTERED),
        ('"stream":"2099', '"stream":"2098', Verdict.ALTERED),
        ('"phase":"seal"', '"phase":["seal"]', Verdict.UNSEALED),
        ('"phase":"header"', '"phase":"intent"', Verdict.ALTERED),
        ('"actor":null', '"actor":NaN', Verdict.ALTERED),
        ('"actor":null', '"actor":1e999', Verdict.INTACT),
        ('"actor":null', f'"actor":{"9" * 5_000}', Verdict.ALTERED),
        ('"actor":null', f'"actor":{"[" * 50_000}', Verdict.ALTERED),
        ('"actor":null', '"actor":"\u00e9"', Verdict.ALTERED),
        ('"actor":null', '"actor":{"a":1,"a":1}', Verdict.ALTERED),
        ('"count":1', '"count":0', Verdict.ALTERED),
        ('"epoch":1,"first"', '"epoch":2,"first"', Verdict.ALTERED),
        ('"closes":"stream"', '"closes":"epoch"', Verdict.UNSEALED),
        ('"closes":"stream"', '"final":true', Verdict.ALTERED),
    ],
)
def test_a_stream_whose_macs_fit_is_held_to_the_format_all_the_same(
    old: str, new: str, verdict: Verdict, folder: Path, sound: tuple[Path, Path]
) -> None:
    """A viewer must see what was verified, and a forged stream must not stop the verifier."""
    forge(folder, sound[1], lambda body: body.replace(old, new))
    assert both(folder, sound[1]) == verdict
    assert verify(folder, sound[1]).summary().isprintable()


@pytest.mark.parametrize("mac_key", [b"k", b"k" * 31, b"k" * 33, b"k" * 80])
def test_a_sealed_key_of_another_length_is_altered(mac_key: bytes, folder: Path, sound: tuple[Path, Path]) -> None:
    forge(folder, sound[1], str, mac_key=mac_key)
    assert both(folder, sound[1]) == Verdict.ALTERED


def test_a_report_is_told_as_json(folder: Path, sound: tuple[Path, Path]) -> None:
    path = streams(folder)[0]
    path.write_bytes(path.read_bytes()[:-1])
    told = json.loads(json.dumps(verify(folder, sound[1]).to_dict()))
    assert (told["verdict"], told["exit_code"], told["anchored"]) == ("truncated", 4, False)
    assert [finding["verdict"] for finding in told["findings"]] == ["truncated", "unsealed"]


async def test_the_verifier_reads_while_a_writer_writes(tmp_path: Path) -> None:
    public, key = generate(tmp_path / "auditor")
    with AuditLog.open(tmp_path / "audit", auditor=public) as log:
        await write_some(log, 5)
        report = verify(log.folder, key)
    assert report.verdict is Verdict.UNSEALED
    assert report.records == 1 + 5 * 3
