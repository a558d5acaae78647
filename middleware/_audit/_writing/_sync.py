"""Brings records to the disk on a thread of its own, one sync for all who wait."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING

from storescope.middleware._audit._writing._waiters import Waiter, settle

if TYPE_CHECKING:
    from collections.abc import Callable

LAZY_SECONDS = 0.05
"""How long a record that nobody waits for may stay unsynced."""


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
        self._waiters: list[tuple[int, Waiter]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._begun_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="storescope-audit-sync", daemon=True)
        self._thread.start()

    def wrote(self, position: int, waiters: list[Waiter]) -> None:
        """Note that everything up to `position` was handed to the operating system. Called in order.

        Args:
            position: How many records were written so far.
            waiters: Who waits until they are on the disk; told an `OSError` if the disk refused.
        """
        with self._changed:
            self._written = position
            self._waiters += [(position, waiter) for waiter in waiters]
            self._changed.notify()

    def hangs(self, seconds: float) -> bool:
        """Return whether the sync that runs has taken longer than this."""
        begun = self._begun_at
        return begun is not None and time.monotonic() - begun > seconds

    def lose(self) -> None:
        """Tell all who wait that what was written so far may never be on the disk."""
        self._release(self._written, OSError(errno.EIO, "its stream was abandoned"))

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
            self._begun_at = time.monotonic()
            try:
                self._sync()
            except OSError as error:
                fault = error
            self._begun_at = None
            self._release(position, fault)

    def _next(self) -> bool:
        """Sleep until a sync is due; return False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiters or self._written > self._tried)
            if not self._waiters and not self._stopping:  # nobody is in a hurry: let more gather
                self._changed.wait_for(lambda: self._stopping or self._waiters, LAZY_SECONDS)
            return not self._stopping or bool(self._waiters)

    def _release(self, position: int, fault: OSError | None) -> None:
        with self._changed:
            self._tried = max(self._tried, position)  # after a fault the next record tries again: no busy loop
            ready = [waiter for wanted, waiter in self._waiters if wanted <= position]
            self._waiters = [each for each in self._waiters if each[0] > position]
        settle(ready, fault)
