"""How long a run goes on; Ctrl-C ends it early."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Clock:
    """Says whether there is time left. It starts when it is made.

    Attributes:
        interrupted: Whether somebody ended it early.
    """

    def __init__(self, seconds: float) -> None:
        self.interrupted = False
        self._begun = time.monotonic()
        self._ends = self._begun + seconds
        self._stopped: float | None = None

    @property
    def elapsed(self) -> float:
        """How long it has been running, or ran, in seconds."""
        return (time.monotonic() if self._stopped is None else self._stopped) - self._begun

    def running(self) -> bool:
        """Return whether there is time left."""
        return not self.interrupted and self._stopped is None and time.monotonic() < self._ends

    def stop(self) -> None:
        """Measure no further."""
        self._stopped = time.monotonic()

    @contextmanager
    def ended_by_ctrl_c(self) -> Generator[None]:
        """Let the first Ctrl-C end the time; a second one ends the program, as it does anyhow."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():  # Ctrl-C reaches that one alone
            yield
            return

        def interrupt() -> None:
            self.interrupted = True
            loop.remove_signal_handler(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
