"""What a writer that was killed left undone is recorded by the next open, once."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storescope.middleware import AuditLog
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.logs import records_of, until

STOPPED = """
import asyncio, os, sys
from storescope import CallContext, Store, wrap
from storescope.middleware import AuditLog, audit
from tests.audit.logs import BACKEND, wrapped, write_some

async def never(*, id, value):
    print("begun", flush=True)
    await asyncio.sleep(60)

async def main():
    log = AuditLog.open(sys.argv[1], auditor=sys.argv[2], segment_bytes=int(sys.argv[3]), compress=False)
    await write_some(log, 5)
    handlers = wrap({"session.set": never}, audit(log), backend=BACKEND)
    context = CallContext(tenant="acme", actor="some\\"one", call_id='a "call" \\u2028')
    await Store("session.set", {"id": "s1", "value": {}}, context).on(handlers)

asyncio.run(main())
"""


def stop_one(folder: Path, public: Path, segment_bytes: int = 1_000_000) -> None:
    """Leave a stream whose writer was killed in the middle of a call."""
    command = [sys.executable, "-c", STOPPED, str(folder), str(public), str(segment_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        writer.send_signal(signal.SIGKILL)


def unknowns(log: AuditLog) -> list[dict[str, Any]]:
    return [record for record in records_of(log) if record["outcome"] == "unknown"]


@pytest.mark.parametrize("segment_bytes", [2_000, 1_000_000])
def test_an_intent_without_an_outcome_is_recorded_as_unknown_once(segment_bytes: int, tmp_path: Path) -> None:
    public, key = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    stop_one(folder, public, segment_bytes)
    (stopped,) = streams_of(folder)
    for _ in range(2):
        AuditLog.open(folder, auditor=public).close()
    with AuditLog.open(folder, auditor=public) as log:
        pass
    (unknown,) = unknowns(log)
    (intent,) = [r for r in records_of(log) if r["phase"] == "intent" and r["call_id"] == unknown["call_id"]]
    assert unknown["intent"] == {"stream": stopped, "seq": intent["seq"]}
    same = ("call_id", "attempt", "operation", "actor", "tenant", "backend", "record", "session")
    assert [unknown[name] for name in same] == [intent[name] for name in same]
    (recovery,) = [record for record in records_of(log) if record["phase"] == "recovery"]
    assert (recovery["from"]["stream"], recovery["from"]["seq"]) == (stopped, intent["seq"])
    assert recovery["unknown"] == 1
    assert log.stats.records["recovery"] == 0  # not by the last of the three
    assert verify(folder, key).verdict is Verdict.UNSEALED


def test_a_writer_that_lives_is_left_alone(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as first:
        AuditLog.open(tmp_path / "audit").close()
        assert not [record for record in records_of(first) if record["phase"] == "recovery"]


def test_who_cannot_record_it_leaves_it_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, _ = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    stop_one(folder, public)
    with monkeypatch.context() as patch:
        patch.setattr("storescope.middleware._audit._writing._journal.Journal.say_now", lambda self: False)
        patch.setattr("storescope.middleware._audit._writing._journal.Journal._say_own", lambda self, stream: None)
        AuditLog.open(folder, auditor=public).close()
    with AuditLog.open(folder, auditor=public) as log:
        pass
    assert len(unknowns(log)) == 1


def test_several_that_open_at_once_record_it_once(tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    stop_one(folder, public)
    logs = [AuditLog.open(folder, auditor=public) for _ in range(5)]
    for log in logs:
        log.close()
    assert len(unknowns(logs[0])) == 1


def test_an_outcome_in_the_stream_that_its_writer_went_on_in_counts(tmp_path: Path) -> None:
    """A call may begin before a stream is left and end after."""
    public, _ = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    stop_one(folder, public)
    (stopped,) = streams_of(folder).values()
    line = stopped[0].path.read_bytes().splitlines(keepends=True)[-1]
    outcome = line.replace(b'"phase":"intent"', b'"phase":"outcome"')
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for each in (folder, other):
        path = each / "20991231T235959Z-00000000.000001.jsonl"
        path.write_bytes(outcome if each is other else b"")
        (each / "20991231T235959Z-00000000.recovered").touch()
        with AuditLog.open(each, auditor=public) as log:
            pass
        assert len(unknowns(log)) == (0 if each is other else 1)


@pytest.mark.parametrize("spoil", [b"{}", b"[", b'{"phase":"intent","call_id":"x","attempt":1,"operation":'])
def test_a_damaged_intent_stops_no_writer(spoil: bytes, tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    folder = tmp_path / "audit"
    stop_one(folder, public)
    (segments,) = streams_of(folder).values()
    with segments[0].path.open("ab") as file:
        file.write(b'"phase":"intent"' + spoil + b"\n")
    with AuditLog.open(folder, auditor=public) as log:
        pass
    assert len(unknowns(log)) == 1


async def test_a_folder_that_could_not_be_used_at_first_is_recovered_all_the_same(tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    folder, away = tmp_path / "audit", tmp_path / "away"
    stop_one(folder, public)
    folder.rename(away)
    folder.touch()
    async with AuditLog.open(folder, auditor=public) as log:
        folder.unlink()
        away.rename(folder)
        await until(lambda: log.stats.records["recovery"] == 1)
    assert len(unknowns(log)) == 1
