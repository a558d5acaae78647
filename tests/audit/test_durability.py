"""When a record is on the disk, and what a slow or failing disk does to calls."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from storescope import AuditError, wrap
from storescope.middleware import AuditLog, audit
from storescope.middleware._audit._record import own_record
from storescope.middleware._audit._verify import Verdict, verify
from storescope.middleware._audit._writing._stream import Stream
from storescope.middleware._audit._writing._sync import Syncer
from storescope.middleware._audit._writing._waiters import Waiter
from tests.audit.logs import records_of, until, wrapped

if TYPE_CHECKING:
    from pathlib import Path

REAL_SYNC = Stream.sync


class Disk:
    """Counts, slows or fails the syncs of streams."""

    def __init__(self) -> None:
        self.syncs = 0
        self.seconds = 0.0
        self.answers = threading.Event()
        self.answers.set()
        self.error: OSError | None = None

    def sync(self, stream: Stream) -> None:
        self.syncs += 1
        time.sleep(self.seconds)
        self.answers.wait(30)
        if self.error is not None:
            raise self.error
        REAL_SYNC(stream)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()

    def sync(stream: Stream) -> None:
        made.sync(stream)

    monkeypatch.setattr(Stream, "sync", sync)
    return made


async def test_a_write_waits_until_its_intent_is_on_the_disk(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        before = disk.syncs
        await wrapped(log)["session.set"](id="s1", value={})
        assert disk.syncs > before
        assert sum(log.stats.waits) == 1


async def test_those_who_wait_share_one_sync(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        disk.seconds = 0.02
        before, set_session = disk.syncs, wrapped(log)["session.set"]
        await asyncio.gather(*(set_session(id=f"s{number}", value={}) for number in range(64)))
        assert disk.syncs - before < 32


async def test_what_nobody_waits_for_is_synced_soon(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        before = disk.syncs
        await wrapped(log)["session.get"](id="s1")
        assert disk.syncs == before
        assert sum(log.stats.waits) == 0
        await until(lambda: disk.syncs > before)


async def test_each_waits_for_every_record(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit", durability="each") as log:
        handlers = wrapped(log)
        await handlers["session.set"](id="s1", value={})
        await handlers["session.get"](id="s1")
        assert sum(log.stats.waits) == 3


async def test_in_none_the_call_hands_its_record_over_itself_and_never_waits(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit", durability="none") as log:
        assert log.put("intent", own_record("gap", {"unlogged": 0}), durable=True) is None
        assert records_of(log)[-1]["phase"] == "gap"
        await wrapped(log)["session.set"](id="s1", value={})
        assert (disk.syncs, sum(log.stats.waits)) == (0, 0)


async def test_a_read_waits_until_its_outcome_is_with_the_operating_system(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        disk.seconds = 1
        await wrapped(log)["session.get"](id="s1")
        assert records_of(log)[-1]["phase"] == "outcome"
        disk.seconds = 0


@pytest.mark.parametrize("fault", ["silent", "failing"])
@pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
async def test_a_silent_or_failing_disk_is_answered_as_on_failure_says(
    fault: str, on_failure: str, tmp_path: Path, disk: Disk
) -> None:
    with AuditLog.open(tmp_path / "audit", timeout=2) as log:
        handlers, syncer = wrapped(log, on_failure=on_failure), log._syncer
        assert syncer is not None
        if fault == "silent":
            disk.answers.clear()  # so a call that ends was not waiting for the disk
        else:
            disk.error = OSError(5, "Input/output error")
        if on_failure == "allow":
            await handlers["session.set"](id="s1", value={})
        else:
            with pytest.raises(AuditError, match="disk"):
                await handlers["session.set"](id="s1", value={})
        await handlers["session.get"](id="s1")
        assert log.stats.failures["timeout" if fault == "silent" else "sync"] == 1
        disk.error = None
        disk.answers.set()
        await until(lambda: not syncer.hangs(0))
        await handlers["session.set"](id="s2", value={})  # and all is well again
    outcomes = [r["outcome"] for r in records_of(log) if r["phase"] == "outcome"]
    assert outcomes == ["ok" if on_failure == "allow" else "error", "ok", "ok"]


async def test_two_event_loops_may_share_a_log(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        set_session = wrapped(log)["session.set"]

        async def many(name: str) -> None:
            await asyncio.gather(*(set_session(id=f"{name}{number}", value={}) for number in range(50)))

        threads = [threading.Thread(target=asyncio.run, args=(many(name),)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert verify(log.folder, tmp_path / "audit.key").verdict is Verdict.INTACT
    assert len(records_of(log)) == 2 + 200


async def test_a_write_that_is_cancelled_while_it_waits_is_not_made(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        disk.seconds = 2
        made: list[str] = []

        async def set_session(*, id: str, value: Any) -> None:
            made.append(id)

        handlers = wrap({"session.set": set_session}, audit(log, on_failure="allow"))
        task = asyncio.ensure_future(handlers["session.set"](id="s1", value={}))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not made
        _, intent, outcome = records_of(log)
    assert (intent["phase"], outcome["phase"]) == ("intent", "outcome")
    assert (outcome["call_id"], outcome["outcome"]) == (intent["call_id"], "cancelled")


@pytest.mark.parametrize("durability", ["group", "each"])
def test_a_coroutine_that_is_closed_while_it_waits_leaves_its_outcome(
    durability: Any, tmp_path: Path, disk: Disk
) -> None:
    """What a loop does that is torn down: nothing can be awaited any more."""
    with AuditLog.open(tmp_path / "audit", durability=durability) as log:
        disk.seconds = 0.05

        async def begin() -> None:
            coroutine: Any = wrapped(log)["session.set"](id="s1", value={})
            coroutine.send(None)
            coroutine.close()

        asyncio.run(begin())
    _, _, outcome, _ = records_of(log)
    assert (outcome["outcome"], outcome["error_type"]) == ("cancelled", "GeneratorExit")


async def test_a_loop_that_ended_while_it_waited_harms_nobody(tmp_path: Path, disk: Disk) -> None:
    with AuditLog.open(tmp_path / "audit") as log:
        disk.seconds = 0.2

        async def give_up() -> None:
            task = asyncio.ensure_future(wrapped(log)["session.set"](id="s1", value={}))
            await asyncio.sleep(0.02)
            task.cancel()

        await asyncio.to_thread(asyncio.run, give_up())
        await wrapped(log)["session.set"](id="s2", value={})
    assert verify(log.folder, tmp_path / "audit.key").verdict is Verdict.INTACT


async def test_who_waits_is_told_that_a_sync_failed_and_the_next_record_tries_again() -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise OSError(5, "Input/output error")

    syncer = Syncer(fail)
    for number in (1, 2):
        waiter = Waiter.here()
        assert waiter is not None
        syncer.wrote(number, [waiter])
        with pytest.raises(OSError, match="Input/output"):
            await waiter.future
    assert len(tries) == 2
    syncer.stop(1)


async def test_a_record_written_while_a_sync_runs_is_synced_by_the_next() -> None:
    syncer: Syncer
    tries: list[int] = []

    def sync() -> None:
        tries.append(1)
        if len(tries) == 1:
            syncer.wrote(2, [])

    syncer = Syncer(sync)
    syncer.wrote(1, [])
    await until(lambda: len(tries) == 2)
    syncer.stop(1)


def test_positions_reach_the_syncer_in_order_from_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of order, the last write would wait for a position that nobody brings any more."""
    seen: list[int] = []

    def wrote(self: Syncer, position: int, waiters: list[Waiter]) -> None:
        time.sleep(0.001 * (position % 3))
        seen.append(position)

    monkeypatch.setattr(Syncer, "wrote", wrote)
    with AuditLog.open(tmp_path / "audit") as log:
        get = wrapped(log)["session.get"]

        async def many() -> None:
            for _ in range(30):
                await get(id="s1")

        threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == sorted(seen)
    assert seen[-1] == 90


async def test_who_waits_for_a_stream_that_is_left_is_told_so(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync of the stream that follows says nothing of what stood in the one before."""
    with AuditLog.open(tmp_path / "audit") as log:
        disk.seconds = 2
        waiting = asyncio.ensure_future(wrapped(log)["session.set"](id="s1", value={}))
        await asyncio.sleep(0.02)

        def tear(self: Stream, texts: list[str]) -> None:
            self.ended = True
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Stream, "write", tear)
            await wrapped(log)["session.get"](id="s2")
        await wrapped(log)["session.get"](id="s3")
        with pytest.raises(AuditError, match="its stream was abandoned"):
            await waiting
        disk.seconds = 0
    report = verify(log.folder, tmp_path / "audit.key")
    assert (report.verdict, report.streams) == (Verdict.UNSEALED, 2)


async def test_a_stream_that_was_left_is_not_synced_any_more(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tear(self: Stream, texts: list[str]) -> None:
        self.ended = True
        raise OSError(28, "No space left on device")

    async with AuditLog.open(tmp_path / "audit") as log:
        get, before = wrapped(log)["session.get"], disk.syncs
        await get(id="s1")
        with monkeypatch.context() as patch:
            patch.setattr(Stream, "write", tear)
            await get(id="s2")
        assert log._journal.stream is None
        await asyncio.sleep(0.1)  # what nobody waits for is synced within 0.05 s
        assert disk.syncs == before
        await wrapped(log)["session.set"](id="s3", value={})  # and the new stream is
        assert disk.syncs > before
