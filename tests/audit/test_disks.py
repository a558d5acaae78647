"""A disk that is slow, hangs, is full, fails or is read-only: calls are answered in time, as `on_failure` says."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from storescope import AuditError
from storescope.middleware import AuditLog
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._writing import _log
from tests.audit.disk_calls import (
    Calls,
    at_work,
    check_answers,
    check_log,
    check_seconds,
    gaps,
    never_blocked,
    records,
    recovered,
)
from tests.faults.disks import FaultyDisk, faulty_disk
from tests.machine_clock import machine_seconds
from tests.rounds import LONG

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

TIMEOUT = 1.0
SLACK = 0.9
"""What a call may take beyond the log's time-out on a busy machine; less than another time-out."""
CLOSE_SECONDS = 5.0 if LONG else 1.5

EACH_ANSWER = pytest.mark.parametrize("on_failure", ["refuse", "refuse_writes", "allow"])
SEALS_AND_ANSWERS = pytest.mark.parametrize(
    ("seal_seconds", "on_failure"),
    [(60, "refuse"), (60, "refuse_writes"), (60, "allow"), (0.1, "refuse_writes")]
    + ([(0.1, "refuse"), (0.1, "allow")] if LONG else []),
)
WITH_THREAD = pytest.mark.parametrize("durability", ["group", "each"])
EVERY_DURABILITY = pytest.mark.parametrize("durability", ["group", "each", "none"])
REFUSING = pytest.mark.parametrize("fault", [FaultyDisk.full, FaultyDisk.read_only, FaultyDisk.failing])


class Folder:
    """An audit folder on a disk that can go wrong."""

    def __init__(self, disk: FaultyDisk, keys: Path) -> None:
        self.disk = disk
        self.path, self.real = disk.path / "audit", disk.real / "audit"
        self.public, self.secret = generate(keys)

    def open(self, durability: Any, *, timeout: float = TIMEOUT, **options: Any) -> AuditLog:
        return AuditLog.open(self.path, auditor=self.public, durability=durability, timeout=timeout, **options)


@pytest.fixture(autouse=True)
def soon_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have closing wait for a disk as long as these tests say; users have the five seconds of make test-long."""
    monkeypatch.setattr(_log, "CLOSE_SECONDS", CLOSE_SECONDS)


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder]:
    with faulty_disk(tmp_path / "faulty") as disk:
        yield Folder(disk, tmp_path / "auditor")


@EVERY_DURABILITY
@EACH_ANSWER
@REFUSING
async def test_a_disk_that_refuses(
    fault: Callable[[FaultyDisk], None], on_failure: str, durability: str, folder: Folder
) -> None:
    async with folder.open(durability) as log:
        calls = Calls(log, on_failure)
        await at_work(calls)
        fault(folder.disk)
        async with never_blocked():
            one_by_one = [await calls.write(), await calls.read(), await calls.write(), await calls.read()]
            at_once = await calls.some(10, 10)
        check_answers([*one_by_one, *at_once], on_failure)
        check_seconds(calls.made, TIMEOUT + SLACK)
        folder.disk.well()
        await recovered(calls, folder.real)
    missing = check_log(folder.real, folder.secret, calls.made, on_failure)
    assert missing == gaps(folder.real) >= 20  # nobody waits for the outcomes of what was refused


@EVERY_DURABILITY
@EACH_ANSWER
async def test_a_disk_that_takes_half_a_line(on_failure: str, durability: str, folder: Folder) -> None:
    async with folder.open(durability, reserve_bytes=0) as log:
        calls = Calls(log, on_failure)
        for room in (1_000, 100, 1):
            folder.disk.full(room)
            await calls.some(5, 5)
            check_answers(await calls.some(2, 2), on_failure)
            folder.disk.well()
            await recovered(calls, folder.real)
    assert check_log(folder.real, folder.secret, calls.made, on_failure) == gaps(folder.real)


@WITH_THREAD
@EACH_ANSWER
async def test_a_disk_that_takes_writes_and_cannot_sync_them(
    on_failure: str, durability: str, folder: Folder
) -> None:
    """That they are on the disk must not be said then; who does not wait for that need not be refused."""
    async with folder.open(durability) as log:
        calls = Calls(log, on_failure)
        folder.disk.unsyncable()
        async with never_blocked():
            made = await calls.some(10, 10)
        check_answers([call for call in made if call.writes or durability == "each"], on_failure)
        check_seconds(made, TIMEOUT + SLACK)
        folder.disk.well()
        await recovered(calls, folder.real)
    check_log(folder.real, folder.secret, calls.made, on_failure)


@WITH_THREAD
@EACH_ANSWER
async def test_a_disk_that_is_slow_and_in_time(on_failure: str, durability: str, folder: Folder) -> None:
    async with folder.open(durability, timeout=6) as log:
        calls = Calls(log, on_failure)
        folder.disk.slow(0.3)
        async with never_blocked():
            check_answers(await calls.some(3, 2), "allow")
        folder.disk.well()
    assert check_log(folder.real, folder.secret, calls.made, on_failure) == gaps(folder.real) == 0


@WITH_THREAD
@EACH_ANSWER
async def test_a_disk_that_is_too_slow(on_failure: str, durability: str, folder: Folder) -> None:
    timeout = 0.15
    async with folder.open(durability, timeout=timeout) as log:
        calls = Calls(log, on_failure)
        folder.disk.slow(0.3)
        async with never_blocked():
            one_by_one = [await calls.write(), await calls.read(), await calls.write()]
            at_once = await calls.some(10, 10)
        check_answers([one_by_one[0], *at_once], on_failure)
        check_seconds(calls.made, timeout + SLACK)
        folder.disk.well()
        await recovered(calls, folder.real)
    check_log(folder.real, folder.secret, calls.made, on_failure)


@WITH_THREAD
@EACH_ANSWER
async def test_a_disk_that_hangs(on_failure: str, durability: str, folder: Folder) -> None:
    async with folder.open(durability) as log:
        calls = Calls(log, on_failure)
        await at_work(calls)
        folder.disk.hung()
        async with never_blocked():
            made = [await calls.write(), await calls.read(), *await calls.some(10, 10), await calls.write()]
        check_answers(made, on_failure)
        check_seconds(made, TIMEOUT + SLACK)
        folder.disk.well()
        await recovered(calls, folder.real)
        await at_work(calls)
    check_log(folder.real, folder.secret, calls.made, on_failure)


@SEALS_AND_ANSWERS
@WITH_THREAD
async def test_a_disk_that_takes_writes_and_whose_syncs_hang(
    on_failure: str, durability: str, seal_seconds: float, folder: Folder
) -> None:
    """Who does not wait for a sync need not be refused; who does, must be, whatever else is due meanwhile."""
    async with folder.open(durability, seal_seconds=seal_seconds) as log:
        calls = Calls(log, on_failure)
        folder.disk.hung_syncs()
        async with never_blocked():
            made = [*await calls.some(5, 5), await calls.write(), await calls.read(), *await calls.some(5, 5)]
        check_answers([call for call in made if call.writes or durability == "each"], on_failure)
        check_seconds(made, TIMEOUT + SLACK)
        folder.disk.well()
        await recovered(calls, folder.real)
    check_log(folder.real, folder.secret, calls.made, on_failure)


@WITH_THREAD
async def test_a_disk_that_hangs_again_and_again_under_traffic(durability: str, folder: Folder) -> None:
    async with folder.open(durability, timeout=0.1) as log:
        calls = Calls(log, "refuse")
        stop = asyncio.Event()

        async def go_on() -> None:
            while not stop.is_set():
                await calls.some(2, 2)

        async with never_blocked():
            agents = [asyncio.ensure_future(go_on()) for _ in range(8)]
            for _ in range(5):
                await asyncio.sleep(0.1)
                folder.disk.hung()
                await asyncio.sleep(0.3)
                folder.disk.well()
            stop.set()
            await asyncio.gather(*agents)
        await recovered(calls, folder.real)
        check_seconds(calls.made, 0.1 + SLACK)
        assert {call.refused for call in calls.made} == {True, False}
    check_log(folder.real, folder.secret, calls.made, "refuse")


async def test_what_is_free_on_a_disk_that_hangs_is_not_waited_for(folder: Folder) -> None:
    """Metrics ask it, on whatever thread they are read."""
    async with folder.open("group") as log:
        assert log.disk_free_bytes() > 0
        folder.disk.hung()
        async with never_blocked():
            log.disk_free_bytes()
        folder.disk.well()


async def test_an_override_is_told_and_ended_while_the_disk_hangs(folder: Folder) -> None:
    """That is what it is for."""
    async with folder.open("group") as log:
        calls = Calls(log, "refuse")
        folder.disk.hung()
        check_answers(await calls.some(1, 1), "refuse")
        async with never_blocked():
            log.override("allow", seconds=60, reason="its disk hangs", by="a test")
        check_answers(await calls.some(1, 1), "allow")
        async with never_blocked():
            log.end_override()
        check_answers(await calls.some(1, 1), "refuse")
        folder.disk.well()
        await recovered(calls, folder.real)
    told = [
        (record["state"], record["reason"]) for record in records(folder.real) if record["phase"] == "override"
    ]
    assert told == [("begun", "its disk hangs"), ("ended", "its disk hangs")]


@EVERY_DURABILITY
async def test_closing_a_log_that_was_idle_when_its_disk_hung_is_bounded(durability: str, folder: Folder) -> None:
    log = folder.open(durability)
    folder.disk.hung()
    begun = machine_seconds()
    with pytest.raises(AuditError):
        await asyncio.to_thread(log.close)
    assert machine_seconds() - begun < CLOSE_SECONDS + SLACK


@WITH_THREAD
async def test_closing_on_a_disk_that_hangs_is_bounded(durability: str, folder: Folder) -> None:
    log = folder.open(durability)
    calls = Calls(log, "refuse_writes")
    await calls.some(2, 2)
    folder.disk.hung()
    check_answers(await calls.some(2, 2), "refuse_writes")
    begun = machine_seconds()
    async with never_blocked():
        with pytest.raises(AuditError):
            await asyncio.to_thread(log.close)
    assert machine_seconds() - begun < CLOSE_SECONDS + SLACK
    assert (await calls.write()).refused
    folder.disk.well()
    give_up = time.monotonic() + 30
    while records(folder.real)[-1]["phase"] != "seal":  # its thread still does what it was told
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)
    folder.open(durability).close()
    check_log(folder.real, folder.secret, calls.made[:-1], "refuse_writes")


@WITH_THREAD
@EACH_ANSWER
async def test_opening_on_a_disk_that_hangs_is_bounded(on_failure: str, durability: str, folder: Folder) -> None:
    folder.disk.hung()
    begun = machine_seconds()
    log = await asyncio.to_thread(folder.open, durability)
    assert machine_seconds() - begun < TIMEOUT + SLACK
    calls = Calls(log, on_failure)
    async with never_blocked():
        made = await calls.some(5, 5)
    check_answers(made, on_failure)
    check_seconds(made, TIMEOUT + SLACK)
    folder.disk.well()
    await recovered(calls, folder.real)
    await asyncio.to_thread(log.close)
    check_log(folder.real, folder.secret, calls.made, on_failure)
