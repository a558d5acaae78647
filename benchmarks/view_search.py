"""How long the viewer's list and its filters take, over many spans. STORESCOPE_LONG=1 stores a million."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._rounds import median
from benchmarks._viewer import SPANS_A_TRACE, requests, running

if TYPE_CHECKING:
    from pathlib import Path

SPANS = 1_000_000 if os.environ.get("STORESCOPE_LONG") else 100_000
ROUNDS = 5
MOST_LIST_MS, MOST_SEARCH_MS, MOST_MEBIBYTES, MOST_FILL_US = 1_000, 2_000, 200, 200
SEARCHES: dict[str, dict[str, str]] = {
    "free text that many spans hold": {"q": "redis.internal"},
    "free text that few spans hold": {"q": "session-000000000123"},
    "free text that no span holds": {"q": "nowhere to be found"},
    "outcome and operation": {"outcome": "error", "operation": "part.set"},
    "tenant, slow, free text": {"tenant": "tenant-7", "min_ms": "3.4", "q": "part list"},
    "everything, and nothing fits": {
        "session": "none",
        "operation": "part.set",
        "tenant": "tenant-7",
        "backend": "redis",
        "outcome": "denied",
        "min_ms": "1",
        "q": "eu-west",
    },
    "a session": {"session": "session-000000000045"},
}


async def run(folder: Path, spans: int = SPANS) -> Result:
    """Fill a viewer, then ask it as its page does."""
    with running(folder) as viewer:
        filling = 0.0
        for body in requests(spans):
            began = time.perf_counter()
            viewer.post(body)
            filling += time.perf_counter() - began
        times = {"the list": [viewer.get("/api/traces")[1] * 1e3 for _ in range(ROUNDS)]}
        for name, query in SEARCHES.items():
            times[name] = [viewer.get("/api/traces", **query)[1] * 1e3 for _ in range(ROUNDS)]
        trace_id = f"{spans // SPANS_A_TRACE // 2:032x}"
        times["a trace"] = [viewer.get(f"/api/trace/{trace_id}")[1] * 1e3 for _ in range(ROUNDS)]
        times["a session's history"] = [
            viewer.get("/api/session", id="session-000000000045")[1] * 1e3 for _ in range(ROUNDS)
        ]
        peak = viewer.peak_mebibytes
        size = (folder / "spans.db").stat().st_size / 1024**2
    rows = [
        Row(name, median(figures), most=MOST_LIST_MS if name == "the list" else MOST_SEARCH_MS)
        for name, figures in times.items()
    ]
    rows.append(Row("filling it, us a span", filling / spans * 1e6, most=MOST_FILL_US))
    rows.append(Row("on the disk, MiB", size))
    rows.append(Row("memory at most, MiB", peak, most=MOST_MEBIBYTES))
    return Result(f"what looking into {spans:,} spans takes", rows, {"ms": times}, "ms (median), or as said")
