"""What a call through the bridge costs, beside an empty Starlette endpoint that returns the same JSON."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks._empty_bridge import RECORD
from benchmarks._result import Result, Row
from benchmarks._rounds import median, ratio

if TYPE_CHECKING:
    from collections.abc import Generator

ROUNDS, CALLS = 20, 200
LIMIT = 1.5
EMPTY, BRIDGE, RECORDED = "empty endpoint", "bridge, tracing and metrics", "the same, spans recorded"
SAMPLED = f"traceparent: 00-{'ab' * 16}-{'cd' * 8}-01\r\n"
"""A trace that the agent's side began and samples: every span of it is recorded."""
ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).parent / "storescope"


async def run(folder: Path, rounds: int = ROUNDS, calls: int = CALLS) -> Result:
    """Make calls one after the other on one connection each, in turns, so that a noisy machine meets both."""
    empty = [sys.executable, "-m", "benchmarks._empty_bridge"]
    bridge = [str(PROGRAM), "serve", "--backend", "memory:", "--port", "0", "--drain", "0s"]
    with ExitStack() as stack:
        peers = {
            EMPTY: stack.enter_context(connected(empty, ROOT)),
            BRIDGE: stack.enter_context(connected(bridge, folder)),
            RECORDED: stack.enter_context(connected(bridge, folder)),
        }
        for peer in peers.values():
            ask(peer, "session.set", {"id": "s1", "value": RECORD})
        answers = {ask(peer, "session.get", {"id": "s1"}) for peer in peers.values()}
        if len(answers) != 1:
            raise AssertionError("they do not answer the same")
        raw: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(rounds):
            for name, peer in peers.items():
                raw[name].append(timed(peer, calls, SAMPLED if name == RECORDED else ""))
    rows = [Row(EMPTY, median(raw[EMPTY]))]
    rows += [Row(name, median(raw[name]), ratio(raw, name, EMPTY), LIMIT) for name in (BRIDGE, RECORDED)]
    return Result("what a call through the bridge costs", rows, {"bridge": raw})


@contextmanager
def connected(command: list[str], folder: Path) -> Generator[socket.socket]:
    """Start a server that prints its URL, and connect to it."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = urlsplit(line.split()[0])
            with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as peer:
                yield peer
        finally:
            process.terminate()


def ask(peer: socket.socket, op: str, params: dict[str, object]) -> str:
    """Make a call and return the answer's JSON, sorted."""
    body = json.dumps({"op": op, "params": params}).encode()
    return json.dumps(json.loads(exchange(peer, request(body)).partition(b"\r\n\r\n")[2]), sort_keys=True)


def timed(peer: socket.socket, calls: int, headers: str) -> float:
    """Return the median of a call, in microseconds."""
    sent = request(b'{"op":"session.get","params":{"id":"s1"}}', headers)
    took: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        exchange(peer, sent)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def request(body: bytes, headers: str = "") -> bytes:
    """Return a whole request."""
    head = "POST /v1/storage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def exchange(peer: socket.socket, sent: bytes) -> bytes:
    """Send a request and return the whole answer."""
    peer.sendall(sent)
    answer = b""
    while True:
        answer += peer.recv(65_536)
        head, blank, body = answer.partition(b"\r\n\r\n")
        if blank:
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if len(body) >= int(lengths[0].partition(b":")[2]):
                return answer
