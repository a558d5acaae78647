"""What a report counts, and what it is told while it is made."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storescope import AuditError
from storescope.middleware._audit._verify import Verdict, _report, verify
from tests.audit.forge import Head, Maker, name, sound_folder, write_anchor, write_keys

if TYPE_CHECKING:
    from pathlib import Path


def test_progress_comes_to_the_size_of_the_files(tmp_path: Path) -> None:
    folder, key, _ = sound_folder(tmp_path)
    told: list[int] = []
    verify(folder, key, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == sum(path.stat().st_size for path in folder.iterdir())


def test_progress_is_told_within_a_long_segment_in_either_form(tmp_path: Path) -> None:
    auditor, key = write_keys(tmp_path)
    made = Maker(auditor, name(1)).header().calls(600).seal("segment").header().calls(600).seal("stream")
    made.save(tmp_path / "audit", packed=[2])
    told: list[int] = []
    assert verify(tmp_path / "audit", key, progress=told.append).verdict is Verdict.INTACT
    assert len(told) > 4
    assert told[-1] == sum(path.stat().st_size for path in (tmp_path / "audit").iterdir())


def test_intents_without_an_outcome_are_counted(tmp_path: Path) -> None:
    auditor, key = write_keys(tmp_path)
    made = Maker(auditor, name(1)).header().calls(2)
    for operation in ("session.set", "message.update", "a processor's \\ own"):
        made.line("intent", operation=operation)
    made.line("outcome", operation="session.get").line("outcome", operation="session.update", outcome="unknown")
    made.seal("stream").save(tmp_path / "audit")
    assert verify(tmp_path / "audit", key).unanswered == 2


def test_what_a_gap_says_is_added_up_and_what_it_cannot_say_is_left_out(tmp_path: Path) -> None:
    auditor, key = write_keys(tmp_path)
    made = Maker(auditor, name(1)).header()
    for unlogged in (3, 4, 0, -5, True, "6", 10**400, None):
        made.line("gap", {"unlogged": unlogged})
    made.seal("stream").save(tmp_path / "audit")
    assert verify(tmp_path / "audit", key).unlogged == 7


def test_the_streams_that_an_anchor_does_not_cover_to_their_end(tmp_path: Path) -> None:
    folder, key, (gone, middle, _, long, _) = sound_folder(tmp_path)
    early = replace_seq(folder, key, long)
    report = verify(folder, key, anchor=write_anchor(tmp_path / "anchor", [gone, middle, early]))
    assert (report.verdict, report.anchor_heads, report.anchored) == (Verdict.INTACT, 3, True)
    assert report.beyond_anchor == [name(2), name(3), name(4)]
    assert [part.anchored for part in report.by_stream] == [middle.seq, early.seq, 0]


def replace_seq(folder: Path, key: Path, head: Head) -> Head:
    """Return a head of the same stream one record earlier: the header of its last segment says its MAC."""
    del key
    last = max(folder.glob(f"{head.stream}.*"))
    first_line = last.read_text().splitlines()[0]
    return Head(head.stream, head.seq - 2, first_line.split('"prev":"')[1][:64])


def test_an_anchor_without_heads_is_an_error_and_not_an_anchor(tmp_path: Path) -> None:
    folder, key, heads = sound_folder(tmp_path)
    anchor = tmp_path / "anchor"
    for content in (b"", b"\n\n", b"\xff\xfe\n", b'{"stream":"s","seq":true,"mac":""}\n', b"[" * 100_000):
        anchor.write_bytes(content)
        with pytest.raises(AuditError, match="holds no head"):
            verify(folder, key, anchor=anchor)
    anchor.write_bytes(b"[" * 100_000 + b"\n")
    write_anchor(anchor, heads)
    assert verify(folder, key, anchor=str(anchor)).anchor_heads == 5


def test_a_retention_that_is_no_number_of_days_is_an_error(tmp_path: Path) -> None:
    folder, key, _ = sound_folder(tmp_path)
    for retention in (float("nan"), float("inf"), 1e300):
        with pytest.raises(AuditError, match="must be a number of days"):
            verify(folder, key, retention=retention)


def test_of_many_faults_the_first_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report, "_MOST_FINDINGS", 2)
    _, key = write_keys(tmp_path)
    (tmp_path / "audit").mkdir()
    for number in range(1, 5):
        (tmp_path / f"audit/{name(number)}.000001.jsonl").touch()
    (tmp_path / "audit/x.jsonl").touch()
    report = verify(tmp_path / "audit", key)
    assert [finding.verdict for finding in report.findings] == [Verdict.ALTERED, Verdict.UNSEALED]
    assert report.summary().startswith("altered: stream x.jsonl: the file's name is not one that a writer gives")


def test_a_stream_is_told_of_as_far_as_it_could_be_verified(tmp_path: Path) -> None:
    auditor, key = write_keys(tmp_path)
    made = Maker(auditor, name(1)).header().calls().seal().calls().seal("segment").header().seal("stream")
    changed = replace(made, segments={1: made.segments[1].replace(b'"seq":7', b'"seq":8'), 2: made.segments[2]})
    changed.save(tmp_path / "audit")
    (tmp_path / f"audit/{name(2)}.000001.jsonl.gz").write_bytes(gzip.compress(b""))
    report = verify(tmp_path / "audit", key)
    assert [(part.verdict, part.records, part.seq) for part in report.by_stream] == [
        (Verdict.ALTERED, 6 + 2, made.seq),
        (Verdict.UNSEALED, 0, 0),
    ]
    assert (report.by_stream[0].mac, report.by_stream[1].mac) == (made.mac.hex(), "")
