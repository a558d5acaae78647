"""One process that makes a great many calls, and says what each tenth of them cost and left in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
from pathlib import Path

from benchmarks._stacks import BACKEND, REGION, bare_get, stack
from storescope import call_context

BLOCKS, PARTS = 10, 50
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(calls: int, folder: Path) -> dict[str, list[float]]:
    """Make the calls, full stack at 1 % sampling, for ever other sessions.

    Returns:
        For each block the microseconds of processor time a call of its quietest part (nothing is waited for), the
        memory of the process in MiB, and how many objects Python holds.
    """
    found: dict[str, list[float]] = {"us": [], "MiB": [], "objects": []}
    part = max(calls // BLOCKS // PARTS, 1)
    with (
        call_context(tenant="acme", actor="bench", region=REGION),
        stack({"session.get": bare_get}, folder, "1 % sampled", backend=BACKEND) as get,
    ):
        for block in range(BLOCKS):
            took = []
            for number in range(PARTS):
                begun = time.thread_time()
                for each in range(part):
                    await get(id=f"session-{block}-{number}-{each}")
                took.append((time.thread_time() - begun) / part * 1e6)
            gc.collect()
            found["us"].append(min(took))
            found["MiB"].append(_memory())
            found["objects"].append(sys.getallocatedblocks())
    return found


def _memory() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MIB


if __name__ == "__main__":
    logging.getLogger("storescope").setLevel(logging.ERROR)  # as in `benchmarks.__main__`
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), Path(sys.argv[2])))))
