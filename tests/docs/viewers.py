"""Runs the commands of the docs that serve until they are ended: `storescope view`, `demo --view`, `serve`."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.servers import free_port

if TYPE_CHECKING:
    from types import TracebackType


class Viewers:
    """At most one of them at a time, on a port of the test's own.

    Attributes:
        port: The port, which stands for the documented 4318.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @staticmethod
    def serves(words: list[str]) -> bool:
        """Return whether a command is one of them."""
        return words[0] == "storescope" and (words[1] in {"view", "serve"} or "--view" in words)

    def start(self, words: list[str], path: str) -> str:
        """Start a command in the place of the one before; return what it printed until it served."""
        self.stop()
        command = [
            shutil.which(words[0], path=path) or words[0],
            *words[1:],
            *([] if words[1] == "serve" else ["--no-open"]),
            "--port",
            str(self.port),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        printed = ""
        for line in self._process.stdout or ():
            printed += line
            if line.startswith(f"http://127.0.0.1:{self.port}"):
                return printed
        raise AssertionError(f"{' '.join(command)}: {printed}")

    def stop(self) -> None:
        """End it, as Ctrl-C does."""
        if self._process is None:
            return
        with self._process as process:
            self._process = None
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
