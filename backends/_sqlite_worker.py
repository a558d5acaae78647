"""A SQLite connection with a thread of its own, so that no event loop waits for the disk."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from storescope import BackendError
from storescope.backends._sqlite import translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

_T = TypeVar("_T")

_NOTICED = 0.1  # seconds in the queue from which on they count: to tell SQLite each time would cost more


class Worker:
    """A connection and the one thread that uses it.

    Calls queue for the thread. While another process holds the write lock, each waits as long as it may from when
    it was made, and not from its turn on: else the last of a hundred would wait a hundred times as long.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, *, busy_timeout: float) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._patience = self._busy_timeout = busy_timeout

    async def run(self, job: Callable[..., _T], *args: Any) -> _T:
        """Run `job(connection, *args)` on the thread. Once it has begun, a cancelled call still ends it."""
        try:
            running = self._thread.submit(self._guarded, job, args, time.monotonic())
        except RuntimeError:
            raise BackendError("this local: backend is closed") from None
        return await asyncio.wrap_future(running)

    def _guarded(self, job: Callable[..., _T], args: tuple[Any, ...], called: float) -> _T:
        with translated("run a statement"):
            self._have_patience(time.monotonic() - called)
            return job(self._connection, *args)

    def _have_patience(self, waited: float) -> None:
        """Wait for other processes as long as is left; a little in any case, so that a queue is no refusal."""
        left = self._busy_timeout
        if waited > _NOTICED:
            left = max(left - waited, left / 500)
        if left != self._patience:
            self._patience = left
            self._connection.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")

    def close(self) -> None:
        """Let what was begun end, and close the connection."""
        self._thread.shutdown()
        self._connection.close()
