"""Brings records to the disk on a thread of its own, one sync for all who wait."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LAZY_SECONDS = 0.05
"""How long a record that nobody waits for may stay unsynced."""


class _Waiter(NamedTuple):
    position: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class Syncer:
    """Syncs what was written; calls that wait share one sync."""

    def __init__(self, sync: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            sync: Brings everything written so far to the disk; may raise `OSError`.
        """
        self._sync = sync
        self._written = 0
        self._tried = 0  # by a sync that went well or not
        self._synced = 0
        self._waiters: list[_Waiter] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="storescope-audit-sync", daemon=True)
        self._thread.start()

    def wrote(self, position: int) -> None:
        """Note that everything up to `position` was handed to the operating system. Called in order."""
        before, self._written = self._written, position
        if before == self._tried:  # read last: the thread may sleep, until there is something to do
            with self._changed:
                self._changed.notify()

    async def wait(self, position: int) -> None:
        """Return once everything up to `position` is on the disk.

        Raises:
            OSError: If the disk refused.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._changed:
            if self._synced >= position:
                return
            self._waiters.append(_Waiter(position, loop, future))
            self._changed.notify()
        await future

    def lose(self, position: int) -> None:
        """Tell who waits for something up to `position` that it may never be on the disk."""
        self._release(position, OSError(errno.EIO, "its stream was abandoned"))

    def stop(self, timeout: float) -> None:
        """End the thread; a disk that hangs is not waited for longer than `timeout` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._next():
            position = self._written
            fault: OSError | None = None
            try:
                self._sync()
            except OSError as error:
                fault = error
            self._release(position, fault)

    def _next(self) -> bool:
        """Sleep until a sync is due; return False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiters or self._written > self._tried)
            if not self._waiters and not self._stopping:  # nobody is in a hurry: let more gather
                due = time.monotonic() + LAZY_SECONDS
                self._changed.wait_for(lambda: self._stopping or self._waiters, max(0.0, due - time.monotonic()))
            return not self._stopping or bool(self._waiters)

    def _release(self, position: int, fault: OSError | None) -> None:
        with self._changed:
            self._tried = max(self._tried, position)  # after a fault the next record tries again: no busy loop
            if fault is None:
                self._synced = max(self._synced, position)
            ready = [waiter for waiter in self._waiters if waiter.position <= position]
            self._waiters = [waiter for waiter in self._waiters if waiter.position > position]
        futures: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
        for waiter in ready:
            futures[waiter.loop].append(waiter.future)
        for loop, done in futures.items():
            try:
                loop.call_soon_threadsafe(_settle, done, fault)
            except RuntimeError:
                continue  # that loop was closed: nobody waits there any more


def _settle(futures: list[asyncio.Future[None]], fault: OSError | None) -> None:
    for future in futures:
        if future.done():  # its caller gave up
            continue
        if fault is None:
            future.set_result(None)
        else:
            future.set_exception(OSError(fault.errno, fault.strerror))
