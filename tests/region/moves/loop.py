"""An event loop without real time: when nothing is ready, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class StuckError(Exception):
    """Everybody waits, and no timer is set."""


class _Selector:
    """Stands for the selector of a loop that has no files: it only lets the time pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        """Let `timeout` seconds pass."""
        if timeout is None:
            raise StuckError
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector()

    def time(self) -> float:
        """Return the simulated time, in seconds."""
        return self._selector.now

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There are no threads."""


class SimulatedTime:
    """Stands in the place of the module `time`."""

    @staticmethod
    def monotonic() -> float:
        """Return the simulated time, in seconds."""
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end; whatever else still runs then is cancelled."""
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(main)
    finally:
        while rest := asyncio.all_tasks(loop):
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.wait(rest, timeout=1))
        loop.close()
