"""Real audit logs for tests."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from storescope import BackendInfo, CallContext, Store, wrap
from storescope.middleware import AuditLog, audit
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._keys import generate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope import Handlers, Middleware
    from storescope.middleware._audit._files import Segment

BACKEND = BackendInfo("memory", region="aws:eu-west-1")


async def get_session(*, id: str) -> dict[str, Any]:
    return {"id": id}


async def set_session(*, id: str, value: dict[str, Any]) -> None:
    del id, value


async def list_messages(*, session_id: str) -> list[Any]:
    del session_id
    return []


HANDLERS: Handlers = {
    "session.get": get_session,
    "session.set": set_session,
    "message.listBySession": list_messages,
}


def wrapped(log: AuditLog, *inside: Middleware, **options: Any) -> Handlers:
    return wrap(HANDLERS, audit(log, **options), *inside, backend=BACKEND)


async def write_some(log: AuditLog, count: int = 2) -> None:
    """Make some calls, as an agent does."""
    handlers = wrapped(log)
    for number in range(count):
        context = CallContext(tenant="acme", actor="someone")
        await Store("session.set", {"id": f"s{number}", "value": {}}, context).on(handlers)
        await Store("session.get", {"id": f"s{number}"}, context).on(handlers)


def make_folder(root: Path, *, streams: int = 3, count: int = 2) -> tuple[Path, Path]:
    """Write a folder of several sealed streams; return it and the key that verifies it."""
    public, secret = generate(root / "auditor")
    seen: set[Path] = set()
    for number in range(streams):
        with AuditLog.open(root / "audit", auditor=public, durability="none") as log:
            asyncio.run(write_some(log, count))
        (newest,) = set(log.folder.glob("*.jsonl")) - seen
        seen.add(newest)
        os.utime(newest, (number, number))  # so that tests can tell their order: names and clocks are too coarse
    return root / "audit", secret


def records_of(log: AuditLog) -> list[dict[str, Any]]:
    """Return every record of a folder, stream by stream."""
    streams = streams_of(log.folder).values()
    return [record for segments in streams for segment in segments for record in records_in(segment)]


def records_in(segment: Segment) -> list[dict[str, Any]]:
    """Return every record of a segment."""
    with segment.open() as file:
        return [json.loads(line) for line in file if line.startswith(b"{")]


def only_stream(folder: Path) -> list[Segment]:
    """Return the segments of the only stream in a folder."""
    (segments,) = streams_of(folder).values()
    return segments


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (a thread does it, and sets no event of ours)
            await asyncio.sleep(0.005)
