"""Whether verification needs the same memory whatever the log's length."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks._audit_folder import make_folder
from benchmarks._result import Result, Row

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (100_000, 1_000_000, *([10_000_000] if os.environ.get("STORESCOPE_LONG") else []))
FLAT = 1.1
# The process's own peak, and what it had needed before it began: what the imports take says nothing.
PEAK = """
import sys
from storescope.middleware._audit._verify import verify

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

before = peak()
report = verify(sys.argv[1], sys.argv[2])
assert report.verdict == 0, report.summary()
print(report.records, before, peak())
"""


async def run(folder: Path, sizes: tuple[int, ...] = SIZES) -> Result:
    """Verify logs of ever more records, each in a process of its own; 10 million with `STORESCOPE_LONG=1` set."""
    rows: list[Row] = []
    raw: dict[str, list[float]] = {}
    for size in sizes:
        (folder / str(size)).mkdir()
        audit, key = make_folder(folder / str(size), size)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PEAK, str(audit), str(key)), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert process.returncode == 0
        shutil.rmtree(audit)  # ten million records are 8 GB
        records, before, peak = (float(figure) for figure in told.split())
        raw[f"{size}"] = [before, peak]
        ratio = peak / raw[f"{sizes[0]}"][1]
        rows.append(Row(f"{records:,.0f} records, {peak - before:.1f} MiB of its own", peak, ratio, FLAT))
    return Result("what verification needs at most", rows, {"before and at most": raw}, "MiB (peak RSS)")
