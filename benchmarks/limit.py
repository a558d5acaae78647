"""The full stack against the same work written inline by hand."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from benchmarks._stacks import BACKEND, REGION, bare_get, inlined, stack
from storescope import call_context

if TYPE_CHECKING:
    from pathlib import Path

CALLS, ROUNDS, LIMIT = 1_000, 41, 1.10


async def run(folder: Path) -> Result:
    """Measure a bare in-memory handler inside both, sampled and unsampled."""
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for sampling in ("sampled", "unsampled"):
        (folder / sampling).mkdir()
        with (
            call_context(tenant="acme", actor="bench", region=REGION),
            stack({"session.get": bare_get}, folder / sampling, sampling, backend=BACKEND) as full,
        ):
            by_hand = inlined(folder / sampling, sampling)
            figures = await microseconds(
                {
                    "inlined": partial(by_hand, id="session-0123456789"),
                    "full stack": partial(full, id="session-0123456789"),
                },
                calls=CALLS,
                rounds=ROUNDS,
                clock=time.thread_time,
            )
        raw[sampling] = figures
        rows.append(Row(f"inlined by hand, {sampling}", median(figures["inlined"]), 1.0))
        share = ratio(figures, "full stack", "inlined")
        rows.append(Row(f"full stack, {sampling}", median(figures["full stack"]), share, LIMIT))
    return Result("what composing costs over writing it inline", rows, raw)
