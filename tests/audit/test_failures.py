"""A folder that cannot be used, a disk that fills: calls are answered as `on_failure` says, nothing is torn."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storescope import AuditError, WrapError, call_context
from storescope.middleware import AuditLog, audit
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._record import own_record
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing._reserve import Reserve
from tests.audit.logs import records_of, until, wrapped, write_some

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator


OS = "storescope.middleware._audit._writing._stream.os."
AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]  # to mount a small disk, as to install the servers


async def assert_answered(log: AuditLog, on_failure: str) -> None:
    """Hold a read and a write to what `on_failure` says of a log that cannot be written."""
    handlers = wrapped(log, on_failure=on_failure)
    if on_failure == "allow":
        await handlers["session.set"](id="s1", value={})
    else:
        with pytest.raises(AuditError, match="cannot be written"):
            await handlers["session.set"](id="s1", value={})
    if on_failure == "refuse":
        with pytest.raises(AuditError, match="cannot be written"):
            await handlers["session.get"](id="s1")
    else:
        assert await handlers["session.get"](id="s1") == {"id": "s1"}


@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_folder_that_cannot_be_opened(on_failure: str, tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    (tmp_path / "file").touch()
    with AuditLog.open(tmp_path / "file" / "audit", auditor=public) as log:
        await assert_answered(log, on_failure)
        assert log.stats.failures["open"] >= 1


async def test_opening_is_tried_again_after_a_second(tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "auditor")
    (tmp_path / "audit").touch()
    log = AuditLog.open(tmp_path / "audit", auditor=public)
    with pytest.raises(AuditError):
        await wrapped(log)["session.set"](id="s1", value={})
    (tmp_path / "audit").unlink()
    with pytest.raises(AuditError, match="its folder cannot be used"):  # not yet
        await wrapped(log)["session.set"](id="s1", value={})
    await until(lambda: log._journal.stream is not None)
    await wrapped(log)["session.set"](id="s1", value={})
    log.close()
    assert verify(log.folder, secret).verdict is Verdict.INTACT
    header, gap, intent, *_ = records_of(log)
    assert (header["phase"], gap["phase"], gap["unlogged"]) == ("header", "gap", 4)
    assert intent["record"] is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 64 KiB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(
        [*AS_ROOT, "mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "storescope-test", folder], check=True
    )
    yield folder
    subprocess.run([*AS_ROOT, "umount", folder], check=True)


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    subprocess.run([*AS_ROOT, "mount", "-o", "remount,ro", small_disk], check=True)
    return small_disk


@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_full_disk(on_failure: str, small_disk: Path, tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "auditor")
    with AuditLog.open(small_disk / "audit", auditor=public, reserve_bytes=0) as log:
        filler = small_disk / "filler"
        free = os.statvfs(small_disk)
        filler.write_bytes(b"x" * free.f_bavail * free.f_frsize)
        with pytest.raises(AuditError):
            await write_some(log, 10_000)  # what is left of the last page
        await assert_answered(log, on_failure)
        filler.unlink()
        await wrapped(log)["session.set"](id="s1", value={})
        gaps = [record for record in records_of(log) if record["phase"] == "gap"]
        assert gaps
        assert gaps[-1]["unlogged"] >= 3
    assert verify(log.folder, secret).verdict is Verdict.INTACT


@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_disk_that_is_read_only(on_failure: str, read_only_disk: Path, tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    with AuditLog.open(read_only_disk / "audit", auditor=public, reserve_bytes=0) as log:
        await assert_answered(log, on_failure)


@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_file_that_may_grow_no_further(on_failure: str, tmp_path: Path) -> None:
    """The system writes half a line, and then refuses; no root needed."""
    public, secret = generate(tmp_path / "auditor")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with AuditLog.open(tmp_path / "audit", auditor=public) as log:
        await write_some(log, 1)
        (path,) = log.folder.glob("*.jsonl")
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, before[1]))
        try:
            await assert_answered(log, on_failure)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await write_some(log, 1)
        gaps = [record["unlogged"] for record in records_of(log) if record["phase"] == "gap"]
    assert gaps == [3]  # the write's intent and outcome, the read's outcome
    assert log.stats.failures["write"] >= 3  # the gap that tells of them may be tried meanwhile
    assert verify(log.folder, secret).verdict is Verdict.INTACT


@pytest.mark.parametrize("takes_back", ["taken back", ""], ids=["taken back", "stays torn"])
async def test_half_a_line_is_taken_back_or_its_stream_left(
    takes_back: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    public, secret = generate(tmp_path / "auditor")
    write, truncate = os.write, os.ftruncate

    def write_half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    def refuse(descriptor: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    with AuditLog.open(tmp_path / "audit", auditor=public, durability="none") as log:
        await write_some(log, 1)
        monkeypatch.setattr(OS + "write", write_half)
        monkeypatch.setattr(OS + "ftruncate", truncate if takes_back else refuse)
        with pytest.raises(AuditError, match="No space left"):
            log.put("intent", own_record("gap", {"unlogged": 0}), durable=True)
        monkeypatch.undo()
        await write_some(log, 1)
    report = verify(log.folder, secret)
    assert report.verdict is (Verdict.INTACT if takes_back else Verdict.UNSEALED)
    assert report.streams == (1 if takes_back else 2)
    assert [r["unlogged"] for r in _records_that_are_whole(log) if r["phase"] == "gap"] == [1]


def _records_that_are_whole(log: AuditLog) -> list[dict[str, Any]]:
    for path in log.folder.glob("*.jsonl"):
        whole = path.read_bytes().rpartition(b"\n")[0]
        path.write_bytes(whole + b"\n")
    return records_of(log)


async def test_only_the_outcome_of_a_write_failing_changes_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = AuditLog.put

    def fail_outcomes(self: AuditLog, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        if phase == "outcome":
            raise AuditError("no")
        return put(self, phase, text, durable=durable)

    with AuditLog.open(tmp_path / "audit") as log:
        monkeypatch.setattr(AuditLog, "put", fail_outcomes)
        await wrapped(log, on_failure="refuse")["session.set"](id="s1", value={})
        with pytest.raises(AuditError):
            await wrapped(log, on_failure="refuse")["session.get"](id="s1")


async def test_a_closed_log_refuses(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit")
    log.close()
    log.close()  # a second time does nothing
    with pytest.raises(AuditError, match="it is closed"):
        await wrapped(log)["session.set"](id="s1", value={})


async def test_what_went_unlogged_last_is_told_before_the_seal(tmp_path: Path) -> None:
    """Else a log that lost its last records would be intact."""
    public, secret = generate(tmp_path / "auditor")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with AuditLog.open(tmp_path / "audit", auditor=public) as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(OS + "write", full)
        await wrapped(log)["session.get"](id="s1")
    assert [(r["phase"], r.get("unlogged")) for r in records_of(log)[1:]] == [("gap", 1), ("seal", None)]
    assert verify(log.folder, secret).verdict is Verdict.INTACT


async def test_a_seal_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog.open(tmp_path / "audit")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OS + "write", full)
    with pytest.raises(AuditError, match="No space left"):
        log.close()


FORKING = """
import asyncio, os, sys
from storescope import AuditError
from storescope.middleware import AuditLog
from tests.audit.logs import wrapped

log = AuditLog.open(sys.argv[1], auditor=sys.argv[2])
asyncio.run(wrapped(log)["session.set"](id="parent", value={}))
child = os.fork()
if child == 0:
    try:
        asyncio.run(wrapped(log)["session.set"](id="child", value={}))
    except AuditError as error:
        os._exit(0 if "before a fork" in str(error) else 1)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
asyncio.run(wrapped(log)["session.set"](id="parent", value={}))
log.close()
"""


def test_a_forked_child_leaves_its_parents_stream_alone(tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "auditor")
    command = [sys.executable, "-c", FORKING, str(tmp_path / "audit"), str(public)]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])
    report = verify(tmp_path / "audit", secret)
    assert (report.verdict, report.records) == (Verdict.INTACT, 6)


@pytest.mark.parametrize(("option", "value"), [("durability", "maybe"), ("ids", "rot13")])
def test_an_unknown_option_is_refused_before_anything_is_made(option: str, value: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(AuditError, match=option):
        AuditLog.open(tmp_path / "audit", **options)
    assert not list(tmp_path.iterdir())


async def test_an_unknown_on_failure_is_refused(tmp_path: Path) -> None:
    wrong: Any = "shrug"
    with AuditLog.open(tmp_path / "audit") as log, pytest.raises(WrapError, match="refuse_writes or allow"):
        audit(log, on_failure=wrong)


def test_free_space_that_cannot_be_told_is_not_a_number(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 1)
    reserve.measure()
    assert reserve.free_bytes > 0
    nowhere = Reserve(tmp_path / "nowhere", 1)
    with pytest.raises(FileNotFoundError):
        nowhere.measure()
    assert math.isnan(nowhere.free_bytes)
    nowhere.check()  # it is for the write to tell


async def test_the_reserve_is_kept_for_what_must_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AuditLog.open(tmp_path / "audit") as log:
        await write_some(log, 1)
        monkeypatch.setattr(log._journal.reserve, "_reserve", 2**60)
        before = dict(log.stats.records)
        reads = (wrapped(log)["session.get"](id="s1") for _ in range(20))  # several with one write
        await asyncio.gather(*reads)
        assert log.stats.records["outcome"] == before["outcome"]
        with pytest.raises(AuditError, match="reserve of 1152921504606846976 bytes"):
            await wrapped(log)["session.set"](id="s1", value={})
        await until(lambda: log.stats.failures["reserve"] == 22)  # its intent and its outcome too
        await until(lambda: log.stats.records["gap"] == 1)
        monkeypatch.undo()
        await write_some(log, 1)
    assert verify(log.folder, tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_a_log_that_was_never_opened_opens_nothing_once_it_is_closed(tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    (tmp_path / "audit").touch()
    log = AuditLog.open(tmp_path / "audit", auditor=public)
    log.close()
    (tmp_path / "audit").unlink()
    log._journal._reopen_at = 0.0  # a second has passed
    with pytest.raises(AuditError, match="it is closed"):
        await wrapped(log)["session.set"](id="s1", value={})
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_key_found_damaged_later_is_answered_like_a_full_disk(on_failure: str, tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "auditor")
    (tmp_path / "audit").touch()
    with AuditLog.open(tmp_path / "audit", auditor=public) as log:
        (tmp_path / "audit").unlink()
        (tmp_path / "audit").mkdir()
        (tmp_path / "audit" / "id.key").write_text("abc")
        log._journal._reopen_at = 0.0  # a second has passed
        await assert_answered(log, on_failure)
        assert log._journal.stream is None


def test_attempts_on_a_full_disk_leave_no_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty stream would be an unsealed one for ever."""
    public, secret = generate(tmp_path / "auditor")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    AuditLog.open(tmp_path / "audit", auditor=public).close()
    with monkeypatch.context() as patch:
        patch.setattr(OS + "write", full)
        AuditLog.open(tmp_path / "audit", auditor=public).close()
    report = verify(tmp_path / "audit", secret)
    assert (report.verdict, report.streams) == (Verdict.INTACT, 1)


def test_a_header_that_is_not_on_the_disk_for_sure_never_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no other process can have announced it."""
    public, _ = generate(tmp_path / "auditor")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(OS + "fdatasync", fail)
        AuditLog.open(tmp_path / "audit", auditor=public).close()
    assert [path.name for path in (tmp_path / "audit").iterdir()] == ["id.key"]


@pytest.mark.parametrize("durability", ["group", "none"])
async def test_a_record_that_no_verifier_would_take_is_not_written(durability: Any, tmp_path: Path) -> None:
    async with AuditLog.open(tmp_path / "audit", durability=durability) as log:
        with call_context(actor="x" * 2**24), pytest.raises(AuditError, match="more than 15728640 characters"):
            await wrapped(log)["session.set"](id="s1", value={})
        await write_some(log, 1)
    assert verify(log.folder, tmp_path / "audit.key").verdict is Verdict.INTACT
