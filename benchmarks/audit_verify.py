"""How fast a log is verified, against one pass of `openssl dgst -sha256 -hmac` over the same file."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import TYPE_CHECKING

from benchmarks._audit_folder import make_folder
from benchmarks._result import Result, Row
from benchmarks._rounds import quietest
from storescope.middleware._audit._verify import Verdict, verify

if TYPE_CHECKING:
    from pathlib import Path

RECORDS, ROUNDS = 100_000, 9
LIMIT, MOST = 3.0, 5.0  # a third of the speed of openssl, or 5 us a record: 200,000 records a second


async def run(folder: Path) -> Result:
    """Verify a stream of one segment, in time of one core, which others on the machine do not add to.

    One of the two limits must hold: openssl is much faster where the CPU itself knows SHA-256.
    """
    audit, key = make_folder(folder, RECORDS, segment_bytes=1 << 40)
    (path,) = audit.iterdir()
    figures: dict[str, list[float]] = {"openssl": [], "verify": []}
    for _ in range(ROUNDS):
        figures["openssl"].append(await _openssl(path) / RECORDS * 1e6)
        begun = time.process_time()
        report = verify(audit, key)
        figures["verify"].append((time.process_time() - begun) / RECORDS * 1e6)
        assert report.verdict is Verdict.INTACT
    openssl, ours = (quietest(figures[name]) for name in ("openssl", "verify"))
    ratio = ours / openssl
    held = {"limit": LIMIT} if ratio <= LIMIT else {"most": MOST}
    size = path.stat().st_size
    rows = [
        Row(f"openssl -hmac, {size / 1e6:.0f} MB", openssl, 1.0),
        Row(f"verify, {1e6 / ours:,.0f} records/s", ours, ratio, **held),
    ]
    return Result("how fast an audit log is verified", rows, {"one segment": figures}, "us of CPU (best)")


async def _openssl(path: Path) -> float:
    begun = _children_seconds()
    command = ("openssl", "dgst", "-sha256", "-hmac", "key", str(path))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return _children_seconds() - begun


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
