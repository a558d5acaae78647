"""What custom collectors tell of one worker, where the one who is scraped finds it.

prometheus-client's multi-process mode joins files in which each process keeps its counters, and leaves out what
is read only when asked for: the audit log's and the policy's metrics. Each worker writes those down too, in files
of the same format, once a second.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from storescope.middleware._definitions import METRICS
from storescope.middleware._instruments import instruments_of
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator
    from pathlib import Path

    from prometheus_client.metrics_core import Metric as Family

WRITE_SECONDS = 1.0
"""How old at most is what another worker tells."""

_JOINED = {metric.name: metric.across_processes for metric in METRICS}


@asynccontextmanager
async def written_down(folder: Path) -> AsyncGenerator[None]:
    """Write it down once a second, and at the end."""
    writing = asyncio.create_task(_write_again_and_again(folder))
    try:
        yield
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        _write(folder)


async def _write_again_and_again(folder: Path) -> None:
    while True:
        await asyncio.to_thread(_write, folder)  # it asks the audit log's disk, which may take its time
        await asyncio.sleep(WRITE_SECONDS)


def _write(folder: Path) -> None:
    try:
        instruments = instruments_of(REGISTRY)
        write_families(folder, os.getpid(), [*instruments.audit.collect(), *instruments.policies.collect()])
    except Exception as error:
        telemetry_failed("metrics", error)


def write_families(folder: Path, pid: int, families: Iterable[Family]) -> None:
    """Write families down as prometheus-client's `MultiProcessCollector` reads them, in place of those before."""
    files: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for family in families:
        # Live gauges go with the process; what a counter counted stays.
        kind = f"gauge_{_JOINED[family.name]}_" if family.type == "gauge" else f"{family.type}_collected"
        for name, labels, value in _samples(family):
            key = mmap_key(family.name, name, list(labels), list(labels.values()), family.documentation)
            files[f"{kind}{pid}.db"][key] = value
    for file, values in files.items():
        _replace(folder / file, values)


def _samples(family: Family) -> Iterator[tuple[str, dict[str, str], float]]:
    """Return samples as those files have them: buckets not added up, and no count."""
    below = 0.0
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            yield sample.name, sample.labels, sample.value - below
            below = sample.value
        elif not sample.name.endswith(("_count", "_created")):
            yield sample.name, sample.labels, sample.value


def _replace(path: Path, values: dict[str, float]) -> None:
    """Write a file anew, so that a policy that is no longer in force leaves no series."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    file = MmapedDict(made)  # type: ignore[no-untyped-call] # prometheus-client has no types
    for key, value in values.items():
        file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call] # as above
    file.close()  # type: ignore[no-untyped-call] # as above
    made.replace(path)
