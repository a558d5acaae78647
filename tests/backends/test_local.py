"""`local:` when the disk or another process is in the way."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any, cast

import pytest

from storescope import BackendError, RecordTooLargeError
from storescope.backends import Backend, open_backend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

CANARY = "canary-52ab"


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncGenerator[Backend, None]:
    async with open_backend(f"local:{tmp_path}", busy_timeout=0.2) as opened:
        await opened["session.set"](id="kept", value={"a": 1})
        yield opened


def connection_of(backend: Backend) -> sqlite3.Connection:
    return cast("Any", backend)._engine._file.writer._connection  # type: ignore[no-any-return]


async def refused(backend: Backend, kind: type[Exception], size: int = 10) -> Any:
    with pytest.raises(kind) as caught:
        await backend["session.set"](id="kept", value={"a": CANARY * size})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert await backend["session.get"](id="kept") == {"a": 1}
    return caught.value


async def test_every_write_is_synced(backend: Backend) -> None:
    db = connection_of(backend)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_list_reads_the_index(backend: Backend) -> None:
    from storescope.backends._local import _LIST  # noqa: PLC0415 (only this test looks at the statement)

    plan = connection_of(backend).execute(f"EXPLAIN QUERY PLAN {_LIST}", ("t", "message", "s")).fetchall()
    assert "USING INDEX by_session" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


async def test_a_full_disk(backend: Backend) -> None:
    db = connection_of(backend)
    db.execute("PRAGMA max_page_count = 1")  # it stays at what is in use
    error = await refused(backend, BackendError, size=10_000)
    assert error.driver_error == "sqlite3.OperationalError:SQLITE_FULL"
    assert error.retryable  # once there is room again
    assert not error.maybe_applied
    db.execute("PRAGMA max_page_count = 1000000")
    await backend["session.set"](id="kept", value={"a": 2})
    assert await backend["session.get"](id="kept") == {"a": 2}


async def test_a_record_that_sqlite_cannot_hold(backend: Backend) -> None:
    connection_of(backend).setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
    await refused(backend, RecordTooLargeError, size=1000)
    with pytest.raises(RecordTooLargeError):
        await backend["session.update"](id="kept", updates={"b": CANARY * 1000})
    assert await backend["session.get"](id="kept") == {"a": 1}


async def test_another_process_that_writes_for_long(backend: Backend, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "storage.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = await refused(backend, BackendError)
    assert error.driver_error == "sqlite3.OperationalError:SQLITE_BUSY"
    assert error.retryable
    other.execute("ROLLBACK")
    other.close()
    await backend["session.set"](id="kept", value={"a": 2})


async def test_a_file_that_is_damaged_later(backend: Backend, tmp_path: Path) -> None:
    for number in range(200):
        await backend["setup.set"](id=f"s{number}", value={"text": "x" * 2000})
    await backend.aclose()
    path = tmp_path / "storage.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    async with open_backend(f"local:{tmp_path}") as again:
        with pytest.raises(BackendError) as caught:
            await again["session.get"](id="kept")
    assert caught.value.driver_error == "sqlite3.DatabaseError:SQLITE_CORRUPT"
    assert not caught.value.retryable


async def test_a_closed_backend_says_so(tmp_path: Path) -> None:
    backend = await open_backend(f"local:{tmp_path}")
    await backend.aclose()
    await backend.aclose()
    with pytest.raises(BackendError, match="closed"):
        await backend["session.get"](id="s")


async def test_a_write_that_was_begun_ends_before_the_file_is_closed(tmp_path: Path) -> None:
    backend = await open_backend(f"local:{tmp_path}")
    writes = [asyncio.create_task(backend["setup.set"](id=f"s{n}", value={"n": n})) for n in range(20)]
    await asyncio.sleep(0)
    await backend.aclose()
    await asyncio.gather(*writes)
    async with open_backend(f"local:{tmp_path}") as again:
        assert [(await again["setup.get"](id=f"s{n}"))["n"] for n in range(20)] == list(range(20))
