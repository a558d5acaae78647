"""What may take its time and must not hold up the writing: a thread that does one thing after another."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Callable


class Chores:
    """Does things in order, on a thread of its own."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="storescope-audit-chores", daemon=True)
        self._thread.start()

    def do(self, chore: Callable[[], None]) -> None:
        """Have something done; what it raises is logged. Once stopped, it is done here and now."""
        if self._stopping:
            _try(chore)
        else:
            self._queue.put(chore)

    def stop(self, timeout: float) -> None:
        """Do what is left and end, but do not wait longer than `timeout` seconds."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (chore := self._queue.get()) is not None:
            _try(chore)


def _try(chore: Callable[[], None]) -> None:
    try:
        chore()
    except Exception as error:  # one chore's fault must not end the others
        telemetry_failed("audit", error)
