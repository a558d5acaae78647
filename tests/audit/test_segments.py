"""A stream is cut into segments and epochs: each is sealed, and silence is proven silence."""

from __future__ import annotations

import gzip
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from storescope.errors import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._chain import next_key
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._keys import StreamKeys, generate, load_secret
from storescope.middleware._audit._reading._read import LogReader
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing import _retention, _writer
from storescope.middleware._audit._writing._stream import Stream
from tests.audit.logs import only_stream, records_in, records_of, until, write_some


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tend the log often, and pack small segments too."""
    monkeypatch.setattr(_writer, "TEND_SECONDS", 0.02)
    monkeypatch.setattr(_retention, "PACK_BYTES", 1)


@pytest.mark.parametrize("durability", ["group", "each", "none"])
async def test_segments_follow_one_another(durability: Any, tmp_path: Path) -> None:
    public, key = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    async with AuditLog.open(
        folder, auditor=public, durability=durability, segment_bytes=4_000, compress=False
    ) as log:
        while len(list(folder.glob("*.jsonl"))) < 4:
            await write_some(log, 3)
            await until(lambda: log._journal.stream is not None and log._journal.stream.size < 4_000)
    segments = only_stream(folder)
    assert [segment.number for segment in segments] == list(range(1, len(segments) + 1))
    before: dict[str, Any] | None = None
    for segment in segments:
        records = records_in(segment)
        header, seal = records[0], records[-1]
        assert (header["phase"], header["segment"]) == ("header", segment.number)
        assert (seal["phase"], seal["closes"]) == ("seal", "stream" if segment is segments[-1] else "segment")
        if before is not None:
            assert (header["seq"], header["epoch"], header["prev"]) == (
                before["seq"] + 1,
                before["epoch"] + 1,
                before["mac"],
            )
        before = seal
    assert verify(folder, key).verdict is Verdict.INTACT


async def test_a_segment_ends_after_its_time(tmp_path: Path) -> None:
    async with AuditLog.open(tmp_path / "audit", segment_seconds=0.05) as log:
        await until(lambda: log._journal.stream is not None and log._journal.stream.segment > 2)
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_silence_is_sealed(tmp_path: Path) -> None:
    heads: list[Any] = []
    async with AuditLog.open(tmp_path / "audit", seal_seconds=0.05, on_head=heads.append) as log:
        await write_some(log, 1)
        await until(lambda: log.stats.records["seal"] >= 3)
    (segment,) = only_stream(tmp_path / "audit")
    seals = [record for record in records_in(segment) if record["phase"] == "seal"]
    assert [seal["epoch"] for seal in seals] == list(range(1, len(seals) + 1))
    assert {seal["closes"] for seal in seals[:-1]} == {"epoch"}
    assert seals[1]["first"] == seals[0]["seq"] + 1
    assert (seals[1]["count"], seals[1]["last_mac"]) == (0, seals[0]["mac"])
    assert [head.seq for head in heads] == [1, *(seal["seq"] for seal in seals)]  # each leaves the machine
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_a_header_seals_the_key_of_its_epoch_and_the_one_before_is_forgotten(tmp_path: Path) -> None:
    public, key = generate(tmp_path / "auditor")
    async with AuditLog.open(tmp_path / "audit", auditor=public, segment_bytes=1, compress=False) as log:
        await until(lambda: log._journal.stream is not None and log._journal.stream.segment >= 2)
        stream = log._journal.stream
        assert stream is not None
        mine = stream._key
    secret = load_secret(key)
    sealed = [StreamKeys.unseal(records_in(each)[0]["sealed"], secret).mac for each in only_stream(log.folder)]
    assert sealed[1] == next_key(sealed[0])
    assert mine in sealed[1:]
    assert sealed[0] not in {value for value in vars(stream).values() if isinstance(value, bytes)}


async def test_closed_segments_are_packed_and_verify_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    async with AuditLog.open(folder, segment_bytes=2_000) as log:
        while len(list(folder.glob("*.gz"))) < 2:
            await write_some(log, 3)
            await until(lambda: not list(folder.glob("*.part")))
    packed = [segment for segment in only_stream(folder) if segment.packed]
    assert len(packed) >= 2
    assert not only_stream(folder)[-1].packed  # no header has given its head yet
    assert verify(folder, tmp_path / "audit.key").verdict is Verdict.INTACT
    assert gzip.decompress(packed[0].path.read_bytes()).endswith(b'"}\n')
    (first,) = streams_of(folder)
    AuditLog.open(folder).close()  # whose header gives it
    with AuditLog.open(folder):
        await until(lambda: streams_of(folder)[first][-1].packed)
    assert verify(folder, tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_a_segment_that_cannot_be_followed_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: Stream) -> int:
        raise OSError(28, "No space left on device")

    async with AuditLog.open(tmp_path / "audit", segment_bytes=1) as log:
        with monkeypatch.context() as patch:
            patch.setattr(Stream, "_draft", full)
            await until(lambda: log.stats.failures["write"] > 0)
            await write_some(log, 2)
        await until(lambda: log._journal.stream is not None and log._journal.stream.segment > 1)
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_a_stream_that_cannot_go_on_in_a_next_segment_is_left_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Stream._begin

    def full(stream: Stream, heads: Any, draft: int | None = None) -> None:
        if stream.segment:
            raise OSError(28, "No space left on device")
        begin(stream, heads, draft)

    async with AuditLog.open(tmp_path / "audit", segment_bytes=20_000) as log:
        with monkeypatch.context() as patch:
            patch.setattr(Stream, "_begin", full)
            while log.stats.records["header"] < 2:
                with suppress(AuditError):  # a call that waited for the disk when its stream was left
                    await write_some(log, 10)
    assert len(streams_of(tmp_path / "audit")) >= 2
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.UNSEALED


@pytest.mark.parametrize("what", ["deleted", "replaced", "shorter", "longer"])
@pytest.mark.parametrize("durability", ["group", "none"])
async def test_what_is_done_to_the_live_file_is_noticed_within_a_second_and_recorded(
    what: str, durability: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # at the pace that users have
    async with AuditLog.open(tmp_path / "audit", durability=durability) as log:
        await write_some(log, 2)
        (segment,) = only_stream(log.folder)
        content = segment.path.read_bytes()
        lost = log._journal.stream
        assert lost is not None
        if what == "longer":
            with segment.path.open("ab") as file:
                file.write(b"x")
        elif what == "shorter":
            with segment.path.open("r+b") as file:
                file.truncate(len(content) - 10)
        else:
            segment.path.unlink()
            if what == "replaced":
                segment.path.write_bytes(content)
        begun = time.monotonic()
        await until(lambda: log.stats.records["tamper"] == 1)
        assert time.monotonic() - begun < 1
        await write_some(log, 1)
    (newest,) = [segments[-1] for stream, segments in streams_of(log.folder).items() if stream != lost.id]
    header, tamper, *_ = records_in(newest)
    assert (tamper["phase"], tamper["what"], tamper["head"]) == ("tamper", what, lost.head.to_dict())
    assert lost.head.to_dict() in header["heads"]
    worst = {
        "deleted": Verdict.MISSING,
        "replaced": Verdict.UNSEALED,  # by a copy: nothing is lost
        "shorter": Verdict.TRUNCATED,
        "longer": Verdict.UNSEALED,
    }
    assert verify(log.folder, tmp_path / "audit.key").verdict is worst[what]


async def test_a_reader_that_follows_sees_every_record_once_over_segments_that_are_packed(tmp_path: Path) -> None:
    folder, read = tmp_path / "audit", list[tuple[str, int]]()
    logs = [AuditLog.open(folder, segment_bytes=4_000, durability=durability) for durability in ("group", "none")]
    with LogReader(folder) as reader:

        def follow() -> None:
            read.extend((entry.record["stream"], entry.record["seq"]) for entry in reader.read())

        for _ in range(40):
            for log in logs:
                await write_some(log, 3)
            follow()
        await until(lambda: len(list(folder.glob("*.gz"))) >= 2)
        for log in logs:
            log.close()
        follow()
        assert reader.problems == 0
    assert sorted(read) == [(record["stream"], record["seq"]) for record in records_of(logs[0])]
    assert max(len(segments) for segments in streams_of(folder).values()) > 3


@pytest.mark.parametrize("looks", [0, 1])
async def test_a_segment_that_is_packed_while_the_folder_is_listed_is_not_left_out(
    looks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader would pass over what it had not read of it. It is packed after so many looks at its plain file."""
    async with AuditLog.open(tmp_path / "audit", compress=False) as log:
        await write_some(log, 3)
    (plain,) = log.folder.glob("*.jsonl")
    is_file, before = Path.is_file, [looks]

    def pack_meanwhile(path: Path) -> bool:
        if path == plain:
            if not before[0]:
                _retention._pack(plain)
            before[0] -= 1
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", pack_meanwhile)
    (segments,) = streams_of(log.folder).values()
    assert [segment.number for segment in segments] == [1]
