"""Real audit logs for tests."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from storescope import BackendInfo, CallContext, Store, wrap
from storescope.middleware import AuditLog, audit
from storescope.middleware._audit._keys import generate

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Handlers, Middleware

ROUNDS_SCALE = int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1"))
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
    paths = sorted(log.folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]
