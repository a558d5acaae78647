"""uvicorn's supervisor of worker processes, with patience for those that start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from uvicorn.supervisors import Multiprocess

if TYPE_CHECKING:
    from uvicorn.supervisors.multiprocess import Process

START_SECONDS = 60.0
"""How long a worker has to start, until which nobody asks for a sign of life."""


class Supervisor(Multiprocess):
    """Replaces workers that die, and those that hang once all have had time to start.

    uvicorn kills a worker that has not imported everything within 5 s, and its successor too, without end: a busy
    machine or a container with little CPU would never serve.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._born: dict[Process, float] = {}

    def keep_subprocess_alive(self) -> None:
        """Look after the workers."""
        now = time.monotonic()
        self._born = {worker: self._born.get(worker, now) for worker in self.processes}
        # The dead come first: one that could not start ends it all before others are asked.
        self.processes.sort(key=lambda worker: worker.exitcode is None)
        dead = any(worker.exitcode is not None for worker in self.processes)
        if dead or now - max(self._born.values()) > START_SECONDS:
            super().keep_subprocess_alive()
