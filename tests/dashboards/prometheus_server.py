"""A real Prometheus for tests: started on a free port of 127.0.0.1, asked through its HTTP API, stopped."""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

SCRAPE_SECONDS = 1
_START_SECONDS = 60
_ATTEMPTS = 3  # another process may take the free port before Prometheus does


class Prometheus:
    """The HTTP API of a running server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """Ask for `/api/v1/<path>`; a refused query raises with the server's own words."""
        response = self._client.get(f"/api/v1/{path}", params=params)
        body = response.json()
        if body["status"] != "success":
            raise AssertionError(f"{params}: {body['errorType']}: {body['error']}")
        return body["data"]

    def samples(self, expr: str) -> list[float]:
        """Evaluate once, now."""
        return [float(row["value"][1]) for row in self.get("query", query=expr)["result"]]

    def samples_over_time(self, expr: str, seconds: int) -> list[float]:
        """Evaluate once per scrape over the last seconds."""
        now = time.time()
        data = self.get("query_range", query=expr, start=now - seconds, end=now, step=SCRAPE_SECONDS)
        return [float(value) for row in data["result"] for _, value in row["values"]]

    def label_values(self, selector: str, label: str) -> list[str]:
        """Return every value that a label has in the series selected."""
        values: list[str] = self.get(f"label/{label}/values", **{"match[]": selector})
        return values

    def exemplars(self, expr: str, seconds: int) -> list[dict[str, str]]:
        """Return the labels of the exemplars of the last seconds."""
        now = time.time()
        data = self.get("query_exemplars", query=expr, start=now - seconds, end=now)
        return [exemplar["labels"] for row in data for exemplar in row["exemplars"]]

    def wait_for(self, expr: str, enough: Callable[[float], bool], seconds: float = 30) -> None:
        """Wait until a sample of an expression is as wanted."""
        until = time.monotonic() + seconds
        while not any(enough(sample) for sample in self.samples(expr)):
            if time.monotonic() > until:
                raise TimeoutError(f"after {seconds} s: {expr} is {self.samples(expr)}")
            time.sleep(0.2)

    def ready(self) -> bool:
        """Say whether it answers."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Close the connections to it."""
        self._client.close()


def find_binary(name: str) -> str:
    """Return where a program of Debian's prometheus package lies. Missing it is an error, never a skip."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed; install it with: apt-get install prometheus")
    return path


@contextmanager
def running(folder: Path, jobs: Mapping[str, int], rules: Sequence[Path] = ()) -> Generator[Prometheus]:
    """Run a Prometheus that scrapes 127.0.0.1 every second.

    Args:
        folder: For its configuration, data and log.
        jobs: Job name -> port.
        rules: Files of recording and alert rules.
    """
    (folder / "prometheus.yml").write_text(_configuration(jobs, rules), encoding="utf-8")
    process, server = _start(folder)
    try:
        yield server
    finally:
        server.close()
        _stop(process)


def is_finite(sample: float) -> bool:
    """Say whether a panel could draw it."""
    return math.isfinite(sample)


def _configuration(jobs: Mapping[str, int], rules: Sequence[Path]) -> str:
    lines = [f"global: {{scrape_interval: {SCRAPE_SECONDS}s, evaluation_interval: {SCRAPE_SECONDS}s}}"]
    lines += ["rule_files:", *(f"  - {path}" for path in rules)] if rules else []
    lines.append("scrape_configs:")
    for job, port in jobs.items():
        lines += [f"  - job_name: {job}", f"    static_configs: [{{targets: ['127.0.0.1:{port}']}}]"]
    return "\n".join(lines) + "\n"


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], Prometheus]:
    for _ in range(_ATTEMPTS):
        port = _free_port()
        with (folder / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(_command(folder, port), stdout=log, stderr=log)
        server = Prometheus(f"http://127.0.0.1:{port}")
        if _comes_up(process, server):
            return process, server
        server.close()
        _stop(process)
    raise RuntimeError(f"prometheus did not start: {(folder / 'prometheus.log').read_text()}")


def _command(folder: Path, port: int) -> list[str]:
    return [
        find_binary("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]


def _comes_up(process: subprocess.Popen[bytes], server: Prometheus) -> bool:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if server.ready():
            return process.poll() is None  # else it was another's server on that port
        time.sleep(0.1)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
