"""Processes that write to one audit folder until they are killed; forked, so that hundreds of them take no time.

`python -m tests.audit.crash_writers` forks a writer for each line on its standard input, and answers with its id.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

from storescope import CallContext, Store
from storescope.middleware import AuditLog
from tests.audit.logs import wrapped

if TYPE_CHECKING:
    from types import TracebackType

_INSIDE = "storescope.middleware._audit._writing."
_AGENTS = 4


class Writer:
    """A process that writes.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, pid: int, acknowledged: Path) -> None:
        self.pid = pid
        self._acknowledged = acknowledged

    @property
    def acknowledged(self) -> set[str]:
        """The ids of the calls that were answered."""
        return {line.decode() for line in self._acknowledged.read_bytes().split(b"\n")[:-1]}

    def kill(self) -> None:
        """Kill it, and wait until it is gone, with its locks."""
        os.kill(self.pid, signal.SIGKILL)
        give_up = time.monotonic() + 10
        while Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < give_up
            time.sleep(0.001)


class Writers:
    """Starts writers, for a block."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._numbers = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.audit.crash_writers"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, folder: Path, **options: Any) -> Writer:
        """Start one that writes to `folder`, with options for `AuditLog.open`."""
        name = f"writer{next(self._numbers)}"
        acknowledged = self._scratch / name
        acknowledged.touch()
        job = {"name": name, "folder": str(folder), "acknowledged": str(acknowledged), "options": options}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return Writer(int(self._process.stdout.readline()), acknowledged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)  # closes its input, and it ends


async def write(name: str, folder: str, acknowledged: str, options: dict[str, Any]) -> None:
    """Write, and note each call that was answered where a kill cannot undo it."""
    note = os.open(acknowledged, os.O_WRONLY | os.O_APPEND)
    handlers = wrapped(AuditLog.open(folder, **options))
    numbers = itertools.count()

    async def go_on() -> None:
        for number in numbers:
            context = CallContext(call_id=f"{name}-{number}")
            await Store("session.set", {"id": "s1", "value": {}}, context).on(handlers)
            os.write(note, f"{name}-{number}\n".encode())
            await asyncio.sleep(0)

    await asyncio.gather(*(go_on() for _ in range(_AGENTS)))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the writers
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            # What a log does in hours is to happen in the moments that a writer lives.
            with (
                mock.patch(f"{_INSIDE}_writer.TEND_SECONDS", 0.01),
                mock.patch(f"{_INSIDE}_retention.PACK_BYTES", 1),
            ):
                asyncio.run(write(**json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
