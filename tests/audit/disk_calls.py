"""Calls whose audit log is on a disk that goes wrong: how each was answered, what the log tells of it after."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import AuditError, CallContext, Store, wrap
from storescope.middleware import audit
from storescope.middleware._audit._verify import Verdict, verify
from tests.machine_clock import machine_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from storescope.middleware import AuditLog

BEAT_SECONDS = 0.005
MOST_BLOCKED = 0.25
"""How long the event loop may be kept from other work, in seconds."""


class Made(NamedTuple):
    """A call that was made: whether it writes, whether it was refused, whether it reached the store, how long."""

    call_id: str
    writes: bool
    refused: bool
    reached: bool
    seconds: float


class Calls:
    """Makes calls, and keeps how each was answered."""

    def __init__(self, log: AuditLog, on_failure: Any) -> None:
        self.made: list[Made] = []
        self._reached: set[str] = set()
        self._numbers = itertools.count()
        self._handlers = wrap(
            {"session.get": self._get, "session.set": self._set}, audit(log, on_failure=on_failure)
        )

    async def some(self, writes: int, reads: int) -> list[Made]:
        """Make calls, all at once."""
        made = await asyncio.gather(*[self.write() for _ in range(writes)], *[self.read() for _ in range(reads)])
        return list(made)

    async def write(self) -> Made:
        return await self._call("session.set", {"value": {}})

    async def read(self) -> Made:
        return await self._call("session.get", {})

    async def _call(self, operation: str, params: dict[str, Any]) -> Made:
        call_id = f"call{next(self._numbers)}"
        store = Store(operation, {"id": call_id, **params}, CallContext(call_id=call_id))
        begun, refused = machine_seconds(), False
        try:
            await store.on(self._handlers)
        except AuditError:
            refused = True
        seconds = machine_seconds() - begun
        made = Made(call_id, operation == "session.set", refused, call_id in self._reached, seconds)
        self.made.append(made)
        return made

    async def _get(self, *, id: str) -> dict[str, Any]:
        self._reached.add(id)
        return {"id": id}

    async def _set(self, *, id: str, value: dict[str, Any]) -> None:
        self._reached.add(id)


def check_answers(made: Iterable[Made], on_failure: str) -> None:
    """Hold calls that could not be logged to what `on_failure` says of them."""
    for call in made:
        assert call.refused is (on_failure == "refuse" or (on_failure == "refuse_writes" and call.writes)), call
        assert call.reached is not (call.refused and call.writes), call


def check_seconds(made: Iterable[Made], most: float) -> None:
    slowest = max(made, key=lambda call: call.seconds)
    assert slowest.seconds < most, slowest


@asynccontextmanager
async def never_blocked() -> AsyncGenerator[None]:
    """Hold the event loop to going on with other work during a block.

    A thread counts how many of its own beats in a row the loop has missed. On a busy machine both are late; while
    the loop waits for a disk, only the loop is.
    """
    beats = missed = longest = 0
    over = threading.Event()

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            beats += 1

    def watch() -> None:
        nonlocal missed, longest
        seen = -1
        while not over.wait(BEAT_SECONDS):
            missed = missed + 1 if beats == seen else 0
            seen, longest = beats, max(longest, missed)

    beating, watching = asyncio.ensure_future(beat()), threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        beating.cancel()
        over.set()
    assert longest * BEAT_SECONDS < MOST_BLOCKED, f"the event loop was blocked for {longest * BEAT_SECONDS:.3f} s"


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a folder, stream by stream."""
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().split(b"\n")[:-1]]


def written(folder: Path) -> Counter[tuple[str, str]]:
    """Return how often the folder has each record of a call that its own writer made: (call id, phase)."""
    mine = [record for record in records(folder) if record["call_id"] and "intent" not in record]
    return Counter((record["call_id"], record["phase"]) for record in mine)


def gaps(folder: Path) -> int:
    """Return how many records the folder says were not written."""
    return sum(record["unlogged"] for record in records(folder) if record["phase"] == "gap")


async def at_work(calls: Calls) -> None:
    """Make some calls at once until all are logged: a busy machine may take longer than one of them may."""
    give_up = time.monotonic() + 30
    while any(call.refused for call in await calls.some(2, 2)):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


async def recovered(calls: Calls, folder: Path) -> None:
    """Make calls until the log takes them again, as it must within seconds."""
    give_up = time.monotonic() + 30
    while (made := await calls.write()).refused or (made.call_id, "intent") not in written(folder):
        assert time.monotonic() < give_up, made
        await asyncio.sleep(0.05)


def check_log(folder: Path, secret: Path, made: Iterable[Made], on_failure: str) -> int:
    """Hold a folder to telling of every call, by its records or by a gap; return how many records it lacks."""
    verdict = verify(folder, secret).verdict
    assert verdict in {Verdict.INTACT, Verdict.UNSEALED}, verdict
    found, wanted = written(folder), set[tuple[str, str]]()
    for call in made:
        wanted |= {(call.call_id, phase) for phase in (("intent", "outcome") if call.writes else ("outcome",))}
        if not call.refused and on_failure != "allow" and (call.writes or on_failure == "refuse"):
            assert (call.call_id, "intent" if call.writes else "outcome") in found, (
                f"acknowledged and lost: {call}"
            )
    assert set(found) <= wanted
    assert set(found.values()) <= {1}
    missing = len(wanted) - len(found)
    assert missing <= gaps(folder) <= len(wanted)
    return missing
