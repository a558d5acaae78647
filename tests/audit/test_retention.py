"""Old segments go whole, a tombstone says so, and the rest verifies as before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from storescope.middleware import AuditLog
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing import _retention, _writer
from storescope.middleware._audit._writing._retention import DAY_SECONDS, alone, closing_seal
from tests.audit.logs import only_stream, records_of, until, write_some

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.middleware._audit._files import Segment

SECONDS = 0.6
KEEP = SECONDS / DAY_SECONDS


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "TEND_SECONDS", 0.02)
    monkeypatch.setattr("storescope.middleware._audit._writing._upkeep.UPKEEP_SECONDS", 0.05)
    monkeypatch.setattr(_retention, "PACK_BYTES", 1)


def key_of(folder: Path) -> Path:
    return folder.with_name("audit.key")


def tombstones(log: AuditLog) -> list[dict[str, Any]]:
    return [each for record in records_of(log) if record["phase"] == "tombstone" for each in record["removed"]]


@pytest.mark.parametrize("compress", [True, False], ids=["packed", "plain"])
async def test_old_segments_go_and_the_rest_verifies(compress: bool, tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    async with AuditLog.open(folder, segment_bytes=2_000, compress=compress, retain_days=KEEP) as log:
        await write_some(log, 5)
        await until(lambda: log._journal.stream is not None and log._journal.stream.segment >= 2)
        await until(lambda: only_stream(folder)[0].number > 1)
        assert verify(folder, key_of(folder)).verdict is Verdict.UNSEALED
        await write_some(log, 5)
    assert verify(folder, key_of(folder)).verdict is Verdict.INTACT
    first = only_stream(folder)[0]
    assert max(each["segment"] for each in tombstones(log)) == first.number - 1


async def test_what_another_writer_closed_goes_too_but_never_what_is_unsealed(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    with AuditLog.open(folder) as other:
        await write_some(other, 1)
        (gone,) = streams_of(folder)
    with AuditLog.open(folder, retain_days=1000) as left:
        await write_some(left, 1)
        stays = next(stream for stream in streams_of(folder) if stream != gone)
        path = streams_of(folder)[stays][0].path
        unsealed = path.read_bytes()
    path.write_bytes(unsealed)  # as its writer's crash would leave it
    os.utime(path, (1, 1))
    async with AuditLog.open(folder, retain_days=KEEP) as log:
        await until(lambda: gone not in streams_of(folder))
        assert stays in streams_of(folder)
    assert [each["stream"] for each in tombstones(log)] == [gone]
    report = verify(folder, key_of(folder))
    assert report.verdict is Verdict.UNSEALED  # and not missing, though headers name the stream that is gone


async def test_tombstones_are_carried_on_when_their_own_segment_goes(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (first,) = streams_of(folder)
    async with AuditLog.open(folder, segment_seconds=0.2, retain_days=KEEP) as log:
        await until(lambda: first not in streams_of(folder))
        mine = next(iter(streams_of(folder)))
        begun = streams_of(folder)[mine][-1].number
        await until(lambda: streams_of(folder)[mine][0].number > begun)
    assert first in {each["stream"] for each in tombstones(log)}
    assert verify(folder, key_of(folder)).verdict is Verdict.INTACT


async def test_nothing_goes_before_its_tombstone_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (first,) = streams_of(folder)
    tried: list[int] = []

    def fail(journal: object) -> None:
        tried.append(1)
        raise OSError(5, "Input/output error")

    async with AuditLog.open(folder, durability="none", retain_days=KEEP):
        with monkeypatch.context() as patch:
            patch.setattr("storescope.middleware._audit._writing._journal.Journal.sync", fail)
            await until(lambda: len(tried) > 2)
            assert first in streams_of(folder)
        await until(lambda: first not in streams_of(folder))
    assert verify(folder, key_of(folder)).verdict is Verdict.INTACT


async def test_a_removal_that_was_stopped_halfway_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (first,) = streams_of(folder)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda path, **_: 1 / 0)
        async with AuditLog.open(folder, durability="none", retain_days=KEEP) as log:
            await until(lambda: log.stats.records["tombstone"] > 0)
    assert first in streams_of(folder)
    assert verify(folder, key_of(folder)).verdict is Verdict.INTACT


async def test_one_process_at_a_time_keeps_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (first,) = streams_of(folder)
    with alone(folder) as mine:
        assert mine
        async with AuditLog.open(folder, retain_days=KEEP) as log:
            await until(lambda: log._upkeep._due_at > 0)
    assert first in streams_of(folder)
    assert not tombstones(log)


async def test_what_a_writer_left_half_made_is_swept_away_after_an_hour(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    old, new = folder / "20200101T000000Z-00000000.000001.part", folder / "x.000001.jsonl.gz.part"
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (1, 1))
    async with AuditLog.open(folder):
        await until(lambda: not old.exists())
    assert new.exists()


def test_a_segment_is_closed_by_its_last_line_alone(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (segment,) = only_stream(folder)
    content = segment.path.read_bytes()

    def with_content(changed: bytes) -> Segment:
        segment.path.write_bytes(changed)
        return segment

    assert closing_seal(with_content(content)) is not None
    for changed in (b"", content[:-1], content + b"x", content.replace(b'"stream","mac"', b'"epoch","mac"')):
        assert closing_seal(with_content(changed)) is None
