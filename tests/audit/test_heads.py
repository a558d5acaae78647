"""How far a stream has come leaves the machine, and is told by the streams after it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from storescope.middleware import AuditLog
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing._stats import AuditStats
from storescope.middleware._audit._writing._tails import heads_of
from tests.audit.logs import make_folder, records_of, write_some

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.middleware._audit._head import Head


async def test_heads_leave_through_the_log_and_the_callback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heads: list[Head] = []
    with caplog.at_level(logging.INFO), AuditLog.open(tmp_path / "audit", on_head=heads.append) as log:
        await write_some(log, 1)
    records = records_of(log)
    assert [(head.seq, head.mac) for head in heads] == [(r["seq"], r["mac"]) for r in (records[0], records[-1])]
    logged = [line for line in caplog.messages if "storescope.audit.head" in line]
    assert [head.mac in line for head, line in zip(heads, logged, strict=True)] == [True, True]
    assert heads_of(log.folder) == [heads[-1]]
    assert log.stats.last_seal > 0


def test_a_callback_that_raises_is_harmless(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Head) -> None:
        raise RuntimeError("what it was given")

    AuditLog.open(tmp_path / "audit", on_head=fail).close()
    failed = [line for line in caplog.messages if "on_head_failed" in line]
    assert len(failed) == 2
    assert "RuntimeError" in failed[0]
    assert "what it was given" not in failed[0]
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


NAME = "20200101T000000Z-0000000{}.000001.jsonl"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk\n",
        b"no line feed",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"seq":1e999,"mac":"00"}\n',
        b'{"seq":true,"mac":"00"}\n',
        b'{"seq":"1","mac":"00"}\n',
        b'{"seq":1,"mac":[]}\n',
        b'{"seq":1}\n',
        b"[]\n",
        b"x" * 300_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_damaged_streams_announce_nothing_and_stop_no_writer(content: bytes, tmp_path: Path) -> None:
    folder, _ = make_folder(tmp_path, streams=1)
    (folder / NAME.format(1)).write_bytes(content)
    os.mkfifo(folder / NAME.format(2))  # reading it would never end
    (folder / NAME.format(3)).mkdir()
    assert len(heads_of(folder)) == 1
    with AuditLog.open(folder) as log:
        assert log.stats.records["header"] == 1


def test_a_stream_that_is_only_a_long_header_is_announced_too(tmp_path: Path) -> None:
    (tmp_path / NAME.format(1)).write_bytes(b'{"seq":1,"long":"%b","mac":"ab"}\n' % (b"x" * 400_000))
    (tmp_path / NAME.format(2)).write_bytes(b'{"seq":1}\n{"seq":2,"long":"%b","mac":"cd"}\nto' % (b"x" * 100_000))
    assert [head[1:] for head in heads_of(tmp_path)] == [(1, "ab"), (2, "cd")]


async def test_every_header_announces_all_streams_before_it(tmp_path: Path) -> None:
    heads: list[Head] = []
    logs = [AuditLog.open(tmp_path / "audit", durability="none") for _ in range(2)]
    await write_some(logs[0], 1)
    first = heads_of(tmp_path / "audit")
    with AuditLog.open(tmp_path / "audit", on_head=heads.append):
        pass
    for log in logs:
        log.close()
    headers = {record["stream"]: record for record in records_of(logs[0]) if record["phase"] == "header"}
    told = headers[heads[0].stream]["heads"]
    assert told == [head.to_dict() for head in first]
    assert sorted(head["seq"] for head in told) == [1, 4]
    assert verify(tmp_path / "audit", tmp_path / "audit.key").verdict is Verdict.INTACT


def test_the_counts_of_several_logs_add_up(tmp_path: Path) -> None:
    parts = [AuditStats(last_seal=seconds) for seconds in (1.0, 3.0, 2.0)]
    for part in parts:
        part.records["seal"] += 1
        part.failures["sync"] += 2
        part.waited(0.001)
        part.waited(1e9)
    total = AuditStats.total(parts)
    assert (total.records["seal"], total.records["gap"]) == (3, 0)
    assert (total.failures["sync"], total.failures["open"]) == (6, 0)
    assert (sum(total.waits), total.waits[-1], total.last_seal) == (6, 3, 3.0)
    assert total.wait_seconds == pytest.approx(3e9)
