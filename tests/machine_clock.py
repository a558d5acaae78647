"""A clock for limits on a shared machine, which stands still for seconds: this clock stands still with it."""

from __future__ import annotations

import threading
import time
from functools import cache

_BEAT_SECONDS = 0.01
_MOST_COUNTED = 0.05


def machine_seconds() -> float:
    """Return how long the machine has worked since somebody first asked, in seconds; never more than passed.

    A thread beats, and a beat that comes late counts for little: then other threads were not run either. What only
    one of them waits for, a lock or a disk, counts in full.
    """
    return _clock().seconds


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        threading.Thread(target=self._beat, name="machine-clock", daemon=True).start()

    def _beat(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self.seconds += min(now - before, _MOST_COUNTED)
            before = now


@cache
def _clock() -> _Clock:
    return _Clock()
