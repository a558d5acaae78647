"""A Prometheus that scrapes real loads, on Redis and on the embedded store, whose traces a real viewer takes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from storescope import dashboards
from storescope.dashboards._live import Span
from storescope.dashboards._prometheus_api import PrometheusApi
from tests.apps.command import PROGRAM
from tests.dashboards import live_traffic, prometheus_server
from tests.load.loads import Samples, running
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.dashboards.prometheus_server import Prometheus
    from tests.load.loads import Running

JOBS = ("local", "redis")
RULES = sorted(dashboards.GRAFANA.parent.glob("prometheus/*.yaml"))
_SHARES = ("--errors", 0.05, "--denials", 0.05)
_UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}  # coverage would halve what they do
_TRACED = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.02"}  # the viewer must keep up
_LINGER_SECONDS = 120  # until the last scrape was seen, which ends it
_RATE_SECONDS = 8


class Loaded:
    """What runs, or ran.

    Attributes:
        prometheus: It scrapes the jobs `local` and `redis`, and `idle`, a stack that nobody calls.
        api: The same, as the commands ask it.
        viewer: The URL of a `storescope view` that took the traces of both loads.
        span: From before the first call to after the last one was scraped.
    """

    def __init__(self, prometheus: Prometheus, viewer: str, span: Span, loads: dict[str, Running]) -> None:
        self.prometheus = prometheus
        self.api = PrometheusApi(prometheus.url)
        self.viewer = viewer
        self.span = span
        self._loads = loads

    @cached_property
    def reports(self) -> dict[str, dict[str, Any]]:
        """Job -> what its load says that it did; it is asked for by ending it, after which its target is gone."""
        return {job: _end(load) for job, load in self._loads.items()}

    def value(self, expr: str) -> float:
        """Evaluate what is one number, at the end of the span."""
        (series,) = self.api.instant(expr, self.span.end)
        return series.points[0][1]

    def first(self, expr: str) -> tuple[int, float]:
        """Return a window before the end, in seconds, that holds the first sample; and that sample."""
        (series,) = self.api.over_time(expr, self.span.start, self.span.end, 1)
        at, value = series.points[0]
        return int(self.span.end - at) + 2, value  # it was scraped up to a second before it is seen


@contextmanager
def loaded(folder: Path, redis_url: str, seconds: int) -> Generator[Loaded]:
    """Run loads on both stores at once; it yields when their last call was scraped."""
    ports = {job: free_port() for job in JOBS}
    with (
        viewing() as viewer,
        _idle() as idle_port,
        prometheus_server.running(folder, {**ports, "idle": idle_port}, RULES) as server,
    ):
        begun = time.time() - 1
        with (
            _load(folder / "local", f"local:{folder / 'store'}", ports["local"], viewer, seconds) as local,
            _load(folder / "redis", redis_url, ports["redis"], viewer, seconds) as redis,
        ):
            loads, ends = {"local": local, "redis": redis}, time.time() + seconds
            for job, load in loads.items():
                _wait_for_the_last_scrape(server, job, load, ends)
            span = Span(int(time.time() - begun), _RATE_SECONDS, time.time())
            yield Loaded(server, viewer, span, loads)


@contextmanager
def viewing() -> Generator[str]:
    """Run `storescope view`; yields its URL."""
    port = free_port()
    command = [str(PROGRAM), "view", "--no-open", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | _UNMEASURED) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@contextmanager
def _idle() -> Generator[int]:
    registry = CollectorRegistry()
    stack = live_traffic.wrapped_on(registry)
    with live_traffic.serving(registry) as port:
        yield port
    del stack


def _load(folder: Path, backend: str, port: int, viewer: str, seconds: int) -> AbstractContextManager[Running]:
    folder.mkdir()
    environment = {**_UNMEASURED, **_TRACED, "OTEL_EXPORTER_OTLP_ENDPOINT": viewer}
    often = ("--sessions", 4, "--seconds", seconds, "--linger", _LINGER_SECONDS, "--metrics-port", port)
    return running(folder, "--backend", backend, *often, *_SHARES, **environment)


def _wait_for_the_last_scrape(server: Prometheus, job: str, load: Running, ends: float) -> None:
    """Wait until a load is over and Prometheus has counted as many calls as the load itself exposes."""
    give_up = time.monotonic() + _LINGER_SECONDS - 20
    before = -1.0
    while time.monotonic() < give_up:
        time.sleep(0.5)
        exposed = Samples(load.url)
        calls = exposed.total("agent_storage_operations_total")
        still = calls == before and exposed.total("agent_storage_operations_in_flight") == 0
        seen = server.samples(f'sum(agent_storage_operations_total{{job="{job}"}})')
        if time.time() > ends and still and seen == [calls]:
            return
        before = calls
    raise TimeoutError(f"the last call of the load on {job} was not scraped")


def _end(load: Running) -> dict[str, Any]:
    load.process.send_signal(signal.SIGINT)
    code, report, words = load.finish()
    assert code == 130, words
    return report
