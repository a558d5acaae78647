"""How fast the viewer takes spans in over OTLP/HTTP, and how much memory it has at most."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._viewer import SPANS_A_TRACE, TRACES_A_REQUEST, requests, running

if TYPE_CHECKING:
    from pathlib import Path

SPANS = 100_000
WANTED = 5_000  # spans a second
MOST_MEBIBYTES = 200


async def run(folder: Path, spans: int = SPANS) -> Result:
    """Send spans as fast as they are taken, from one connection; what is stored is what was sent."""
    with running(folder) as viewer:
        bodies = list(requests(spans))
        seconds: list[float] = []
        for body in bodies:
            began = time.perf_counter()
            viewer.post(body)
            seconds.append(time.perf_counter() - began)
        stored, _ = viewer.get("/api/status")
        peak = viewer.peak_mebibytes
    if stored["spans"] != spans:
        raise AssertionError(f"{stored['spans']} of {spans} spans were stored")
    each = sum(seconds) / spans * 1e6
    tenth = len(bodies) // 10 or 1
    last = sum(islice(reversed(seconds), tenth)) / (tenth * SPANS_A_TRACE * TRACES_A_REQUEST) * 1e6
    rows = [
        Row(f"{spans:,} spans ({1e6 / each:,.0f} spans a second), us a span", each, most=1e6 / WANTED),
        Row("the last tenth of them, us a span", last, most=1e6 / WANTED),
        Row("memory at most, MiB", peak, most=MOST_MEBIBYTES),
    ]
    return Result("what taking spans in costs", rows, {"ingest": {"seconds": seconds}}, "us a span, or as said")
