"""Real servers for tests: started on a free port of 127.0.0.1, stopped at the end."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_START_SECONDS = 10.0


class ServerMissingError(Exception):
    """A server that the tests need is not installed."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    It lies below the range from which the system gives ports to outgoing connections, so that a server that
    is killed finds it free again, and low enough for a cluster's second port, which is 10,000 higher.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A `redis-server` of its own, without persistence, that a test may kill and start again."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL, without a prefix."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start it and wait until it answers; a server that ran before is empty now."""
        program = shutil.which("redis-server")
        if program is None:
            raise ServerMissingError("redis-server is not installed; apt-get install redis-server")
        fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--port", str(self.port), *fixed, *self._arguments], stdout=log, stderr=log
            )
        self._wait(self._process)
        return self

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            if process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"redis-server did not start: {(self._folder / 'redis.log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        """Whether it replies at all; `-NOAUTH` and `-LOADING` are replies, but only the first will do."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
