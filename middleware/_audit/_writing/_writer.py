"""The thread that writes: it takes what calls hand it, all that is waiting with one write, and tends the log."""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storescope.middleware._audit._writing._waiters import Waiter

TEND_SECONDS = 0.5
"""How often the log is tended: somebody who deletes its file is noticed within a second."""

MOST_WAITING = 20_000
"""How many records may wait for a disk that is slow; more are refused, so that memory stays bounded."""


class Handed(NamedTuple):
    """A record that was handed to the thread.

    Attributes:
        phase, text: The record.
        waiter: Who waits for it; None if nobody can.
        durable: Whether it is waited for until it is on the disk.
    """

    phase: str
    text: str
    waiter: Waiter | None
    durable: bool


class Writer:
    """Writes on a thread of its own, so that no event loop ever waits for a disk.

    Attributes:
        waiting: What was handed to it and is not yet being written.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], None],
        write: Callable[[Sequence[Handed]], None],
        tend: Callable[[], None],
        finish: Callable[[], None],
    ) -> None:
        """Start the thread.

        Args:
            begin: Called first.
            write: Writes records, and sees to it that their waiters are told.
            tend: Called at intervals.
            finish: Called last.
        """
        self._begin, self._write, self._tend, self._finish = begin, write, tend, finish
        self.waiting: deque[Handed] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy_since: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="storescope-audit-write", daemon=True)
        self._thread.start()

    def hand(self, record: Handed) -> bool:
        """Take a record; return False if too many are waiting."""
        with self._changed:
            if len(self.waiting) >= MOST_WAITING:
                return False
            self.waiting.append(record)
            if self._busy_since is None:
                self._changed.notify()
        return True

    def hangs(self, seconds: float) -> bool:
        """Return whether what the thread does has taken longer than this."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > seconds

    def stop(self, timeout: float) -> bool:
        """Write what waits and end the thread.

        Args:
            timeout: How long to wait for that, in seconds.

        Returns:
            Whether it ended in time.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._begin()
        due = time.monotonic() + TEND_SECONDS
        while True:
            records = self._next(due)
            if records:
                self._guarded(partial(self._write, records))
            elif self._stopping:
                break
            if time.monotonic() >= due:
                self._guarded(self._tend)
                due = time.monotonic() + TEND_SECONDS
        self._finish()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Go on after a fault of our own: waiters of that step time out, and later ones are served."""
        try:
            step()
        except Exception as error:
            telemetry_failed("audit", error)

    def _next(self, due: float) -> Sequence[Handed]:
        """Return all that waits, as soon as something does; nothing when it is time to tend or to end."""
        with self._changed:
            self._busy_since = None
            if not self.waiting and not self._stopping:
                self._changed.wait(max(0.0, due - time.monotonic()))
            records = list(self.waiting)
            self.waiting.clear()
            self._busy_since = time.monotonic()
            return records
