"""Coverage, switched off where it would only cost time.

Its tracer doubles the time that Python code takes, in the tests and in the processes that they start. Tests marked
`unmeasured` repeat what others run, in other combinations or many times over: their lines are counted there.
"""

from __future__ import annotations

import os

from coverage import Coverage

_paused: list[Coverage] = []


def measuring(*, on: bool) -> None:
    """Let coverage be measured from now on or not, here and in processes that start; if it is measured at all."""
    if on:
        while _paused:
            _paused.pop().start()  # which also tells new processes, as the configured patch does
        return
    running = Coverage.current()
    if running is not None:
        running.stop()
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
        _paused.append(running)
