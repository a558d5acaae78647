"""Runs loads: in this process, or as the real command whose metrics are scraped meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from storescope.apps.load import LoadOptions, LoadReport, run
from tests.apps.command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from opentelemetry.trace import TracerProvider
    from prometheus_client.samples import Sample

    from storescope.apps.load._tally import Tally

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class Watching:
    """Keeps what it is told; `at_tick` may look around meanwhile."""

    at_tick: Callable[[str], None] = lambda _: None
    url: str = ""
    ticks: list[float] = field(default_factory=list)

    def began(self, metrics_url: str) -> None:
        self.url = metrics_url

    def tick(self, seconds: float, tally: Tally) -> None:
        self.ticks.append(seconds)
        self.at_tick(self.url)

    def verifying(self) -> None:
        assert self.ticks


def run_here(
    watcher: Watching | None = None, provider: TracerProvider | None = None, **options: Any
) -> LoadReport:
    """Run a load in this process: on `memory:`, for a second, without faults, unless options say otherwise."""
    usual: dict[str, Any] = {
        "backend": "memory:",
        "sessions": 5,
        "seconds": 1.0,
        "errors": 0.0,
        "denials": 0.0,
        "metrics_port": 0,
        "seed": 7,
    }
    return run(LoadOptions(**usual | options), watcher or Watching(), provider)


class Samples:
    """One scrape, parsed as Prometheus does it."""

    def __init__(self, url: str) -> None:
        response = httpx.get(url, headers={"Accept": OPEN_METRICS}, trust_env=False, timeout=60)
        self.text = response.text
        families: Any = text_string_to_metric_families(self.text)  # type: ignore[no-untyped-call] # theirs
        self._samples: list[Sample] = [sample for family in families for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def by(self, name: str, label: str) -> Counter[str]:
        """Add up the samples of a name by the values of a label."""
        totals = Counter[str]()
        for sample in self._samples:
            if sample.name == name:
                totals[sample.labels[label]] += int(sample.value)
        return totals

    def names(self) -> set[str]:
        """Return every name that has a sample."""
        return {sample.name for sample in self._samples}


class Running:
    """The command, as it runs."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def scrape_until(self, enough: Callable[[Samples], bool]) -> Samples:
        """Scrape until a scrape holds enough; the last one, should the run end before."""
        samples = Samples(self.url)
        while not enough(samples):
            time.sleep(0.2)
            try:
                samples = Samples(self.url)
            except httpx.TransportError:  # the run is over
                break
        return samples

    def finish(self) -> tuple[int, dict[str, Any], str]:
        """Wait for the end; return the exit code, the report, and what else stood on stderr."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(out) if out else {}, err


@contextmanager
def running(cwd: Path, *arguments: object, **variables: str) -> Generator[Running]:
    """Start `storescope load --json`; it has begun when this yields."""
    command = [str(PROGRAM), "load", "--json", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "100", **variables}
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert first.startswith("metrics on http://127.0.0.1:"), first
            yield Running(process, first.split()[-1])
        finally:
            process.kill()
