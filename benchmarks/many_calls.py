"""Whether a process that makes calls by the million stays as fast and as small as it was."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from benchmarks._result import Result, Row

CALLS = 10_000_000 if os.environ.get("STORESCOPE_LONG") else 500_000
FLAT = 1.1
ROOT = Path(__file__).parents[1]


async def run(folder: Path, *, calls: int = CALLS) -> Result:
    """Compare the last tenth of the calls with the second; the first warms up.

    With `STORESCOPE_LONG=1` there are ten million, whose audit log has 7 GB before it is packed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks._many_calls", str(calls), str(folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the process that makes the calls exited with {process.returncode}")
    found: dict[str, list[float]] = json.loads(told)
    rows: list[Row] = []
    for unit, name in (
        ("us", "us of processor time a call"),
        ("MiB", "MiB of the process"),
        ("objects", "objects of Python"),
    ):
        early, late = found[unit][1], found[unit][-1]
        rows.append(Row(f"{name}, second tenth", early, 1.0))
        rows.append(Row(f"{name}, last tenth", late, late / early, FLAT))
    return Result(f"{calls:,} calls of one process", rows, {"": found}, unit="as named")
