"""Many connections at once: no error, bounded memory. Two minutes of 500 in make test-long."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.bridge.bridges import serving
from tests.rounds import LONG

if TYPE_CHECKING:
    from tests.bridge.bridges import Bridge

CONNECTIONS, SECONDS = (500, 120.0) if LONG else (100, 2.0)
MOST_MEBIBYTES = 300


def _request(number: int) -> bytes:
    op, value = ("session.set", ',"value":{"n":1}') if number % 2 else ("session.get", "")
    body = f'{{"op":"{op}","params":{{"id":"s{number}"{value}}}}}'
    head = "POST /v1/storage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _talk(bridge: Bridge, number: int, end: float) -> int:
    """Make calls on one connection until the time is over; return how many. Each is answered with 200."""
    address = urlsplit(bridge.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    calls = 0
    while time.monotonic() < end or not calls:
        writer.write(_request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        calls += 1
    writer.close()
    await writer.wait_closed()
    return calls


def _mebibytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.timeout(600)
async def test_many_connections_at_once(tmp_path: Path) -> None:
    with serving("--backend", "memory:", cwd=tmp_path) as bridge:
        end = time.monotonic() + SECONDS
        calls = await asyncio.gather(*(_talk(bridge, number, end) for number in range(CONNECTIONS)))
        assert min(calls) >= 1
        assert _mebibytes(bridge.process.pid) < MOST_MEBIBYTES
        metrics = bridge.get("/metrics").body.decode().splitlines()
    counted = [float(line.split()[-1]) for line in metrics if line.startswith("agent_storage_operations_total{")]
    assert sum(counted) == sum(calls)
