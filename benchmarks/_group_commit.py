"""An empty group-commit loop: callers hand it lines, and it appends and syncs all that wait at once."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class GroupCommit:
    """The least that a group commit can be: one write and one sync for all that wait, and no record is made."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def put(self, line: bytes, *, durable: bool) -> None:
        """Append a line; return once it is on the disk, or at once."""
        future = self._loop.create_future() if durable else None
        with self._changed:
            self._lines.append(line)
            if future is not None:
                self._waiting.append(future)
            self._changed.notify()
        if future is not None:
            await future

    def stop(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._lines)
                if not self._lines:
                    return
                lines, self._lines = self._lines, []
                waiting, self._waiting = self._waiting, []
            os.write(self._file, b"".join(lines))
            if waiting:
                os.fdatasync(self._file)
                self._loop.call_soon_threadsafe(_tell, waiting)


def _tell(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        future.set_result(None)


@contextmanager
def group_commit(path: Path) -> Generator[GroupCommit]:
    """Run one over a new file, for a block."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    loop = GroupCommit(file)
    try:
        yield loop
    finally:
        loop.stop()
        os.close(file)
