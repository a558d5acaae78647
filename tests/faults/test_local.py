"""What happens to `local:` in mid-traffic: its disk is full, or another process holds the write lock."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storescope import BackendError
from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.disks import filled, small_disk
from tests.faults.traffic import SLACK, Traffic, check_error
from tests.machine_clock import machine_seconds

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 0.3
"""Seconds that a call may wait for another process."""


@pytest.mark.parametrize("room", [0, 4_096, 40_000])
async def test_a_full_disk_refuses_and_says_that_nothing_was_written(room: int, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "8m") as disk:
        url = f"local:{disk / 'store'}"
        async with open_backend(url) as backend:
            async with Traffic(backend, limit=5, size=5_000) as traffic:
                await traffic.get_on()
                with filled(disk, but=room):
                    await traffic.feel_it()
                    assert await backend["session.get"](id="nobody") is None  # reads go on
                await traffic.get_on()
            await audit(backend, traffic.ledger)
        async with open_backend(url) as again:
            await audit(again, traffic.ledger)
    assert {error.driver_error for error in traffic.errors} == {"sqlite3.OperationalError:SQLITE_FULL"}
    assert not any(error.maybe_applied for error in traffic.errors)


async def test_a_disk_that_is_full_at_opening_is_told_and_opens_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        begun = machine_seconds()
        with filled(disk), pytest.raises(BackendError) as caught:
            await open_backend(f"local:{disk / 'store'}", busy_timeout=30)
        check_error(caught.value)
        assert machine_seconds() - begun < SLACK  # no other process will free it
        async with open_backend(f"local:{disk / 'store'}") as backend:
            await backend["session.set"](id="s", value={})


async def test_another_process_that_holds_the_lock(tmp_path: Path) -> None:
    async with open_backend(f"local:{tmp_path}", busy_timeout=PATIENCE) as backend:
        async with Traffic(backend, limit=PATIENCE) as traffic:
            await traffic.get_on()
            with closing(sqlite3.connect(tmp_path / "storage.db", isolation_level=None, timeout=10)) as other:
                other.execute("BEGIN IMMEDIATE")
                await traffic.feel_it()
                other.execute("ROLLBACK")
            await traffic.get_on()
        await audit(backend, traffic.ledger)
    assert {error.driver_error for error in traffic.errors} == {"sqlite3.OperationalError:SQLITE_BUSY"}
    assert not any(error.maybe_applied for error in traffic.errors)


async def test_many_calls_wait_for_the_lock_together_and_not_one_after_the_other(tmp_path: Path) -> None:
    calls = 100
    async with open_backend(f"local:{tmp_path}", busy_timeout=PATIENCE) as backend:
        with closing(sqlite3.connect(tmp_path / "storage.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = machine_seconds()
            writes = (backend["setup.set"](id=f"s{n}", value={}) for n in range(calls))
            errors = await asyncio.gather(*writes, return_exceptions=True)
            assert machine_seconds() - begun < PATIENCE + SLACK < calls * PATIENCE
            assert all(isinstance(error, BackendError) for error in errors)
            other.execute("ROLLBACK")
        await backend["setup.set"](id="s0", value={})
        with closing(sqlite3.connect(tmp_path / "storage.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            with pytest.raises(BackendError):
                await backend["setup.set"](id="s0", value={})
            assert time.monotonic() - begun >= PATIENCE * 0.9  # the whole patience is back


async def test_a_disk_that_fails_while_a_write_is_committed_leaves_its_fate_open(tmp_path: Path) -> None:
    """The log may hold it all the same: SQLite says so of no other error, and no real disk here can be made to."""
    async with open_backend(f"local:{tmp_path}") as backend:
        worker = backend._engine._file.writer  # type: ignore[attr-defined] # only `local:` has it
        worker._connection = FailsToCommit(worker._connection)
        with pytest.raises(BackendError) as caught:
            await backend["setup.set"](id="s", value={})
        assert caught.value.driver_error == "sqlite3.OperationalError:SQLITE_IOERR_FSYNC"
        assert caught.value.maybe_applied
        assert await backend["setup.get"](id="s") is None
        worker._connection = worker._connection.real
        await backend["setup.set"](id="s", value={"n": 2})


class FailsToCommit:
    """A connection whose disk fails at each COMMIT."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction

    def execute(self, statement: str, *parameters: object) -> sqlite3.Cursor:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return self.real.execute(statement, *parameters)  # type: ignore[arg-type] # as they come
