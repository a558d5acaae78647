"""Real bridges for tests: `storescope serve`, started on a free port of 127.0.0.1 and ended with SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.apps.command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
_START_SECONDS = 60.0


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Bridge:
    """A bridge that runs, until it is ended.

    Attributes:
        url: Where it is, `http://127.0.0.1:PORT`.
        process: Its process, the parent of its workers.
        folder: Where it runs.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.url = url

    @property
    def backend_url(self) -> str:
        return f"storescope+{self.url}"

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return request(urllib.request.Request(self.url + path, headers=headers or {}))

    def post(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/v1/storage") -> Answer:
        given = {**JSON, **(headers or {})}
        return request(urllib.request.Request(self.url + path, body, given, method="POST"))

    def call(self, op: str, headers: dict[str, str] | None = None, **params: Any) -> Answer:
        return self.post(json.dumps({"op": op, "params": params}).encode(), headers)

    def connect(self) -> socket.socket:
        """Open a connection of the test's own."""
        address = urlsplit(self.url)
        return socket.create_connection((str(address.hostname), address.port or 0), timeout=30)

    def wait_until_ready(self) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            with suppress(URLError, ConnectionError, TimeoutError):
                if self.get("/healthz").status == 200:
                    return
            time.sleep(0.02)
        raise AssertionError("the bridge does not answer")

    def end(self) -> None:
        """End it as a service manager does; it exits with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


def metric(bridge: Bridge, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels; 0 if there is none."""
    families = text_string_to_metric_families(bridge.get("/metrics").body.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so, and fail if it is not for so long."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def request(made: urllib.request.Request) -> Answer:
    """Send a request; whatever the status, it is an answer."""
    try:
        with urllib.request.urlopen(made, timeout=60) as found:
            return Answer(found.status, found.headers, found.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@contextmanager
def serving(*arguments: object, cwd: Path, **environment: str) -> Generator[Bridge]:
    """Run `storescope serve`; its stderr is in `serve.log` in the folder."""
    command = [str(PROGRAM), "serve", "--port", "0", "--drain", "0.1s", *map(str, arguments)]
    with (cwd / "serve.log").open("a") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (cwd / "serve.log").read_text()
            bridge = Bridge(process, line.split()[0], cwd)
            if bridge.url.startswith("http://"):
                bridge.wait_until_ready()
            yield bridge
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
