"""Partial maps on one JSON file, in every form that `Reopen` allows, for other processes to load."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.conformance.maps import MemoryMap

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from storescope import Handler, Handlers


@contextmanager
def _lock(file: Path) -> Generator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def locked(folder: str, *, safe: bool = True) -> Handlers:
    """Return handlers that change the file under a lock; not `safe`, they lose what others write."""
    file = Path(folder) / "rows.json"

    def rows() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def change(id: str, make: Callable[[Any], Any]) -> Any:
        with _lock(file.with_suffix(".lock")) if safe else nullcontext():
            after = rows()
            after[id] = make(after.get(id))
            time.sleep(0.001)
            beside = file.with_suffix(f".{uuid4().hex}")
            beside.write_text(json.dumps(after))
            beside.replace(file)
        return after[id]

    def get(*, id: str) -> Any:
        return rows().get(id)

    def put(*, id: str, value: Any) -> None:
        change(id, lambda _: value)

    def update(*, id: str, updates: Any) -> Any:
        return change(id, lambda old: {**old, **updates})

    def list_by_session(*, session_id: str) -> Any:
        return [row for row in rows().values() if row.get("sessionId") == session_id]

    sessions: dict[str, Handler] = {"session.get": get, "session.set": put, "session.update": update}
    return {**sessions, "message.set": put, "message.listBySession": list_by_session}


def losing(folder: str) -> Handlers:
    return locked(folder, safe=False)


async def awaited(folder: str) -> Handlers:
    return locked(folder)


@asynccontextmanager
async def entered(folder: str) -> AsyncGenerator[Handlers]:
    yield locked(folder)
    (Path(folder) / f"closed-{os.getpid()}").touch()


class Closing(dict[str, Any]):
    """A map that wants to be closed, as a `Backend` does."""

    def __init__(self, folder: str) -> None:
        super().__init__(locked(folder))
        self.folder = folder

    async def aclose(self) -> None:
        (Path(self.folder) / f"closed-{os.getpid()}").touch()


async def closing(folder: str) -> Handlers:
    return Closing(folder)


def printing(folder: str) -> Handlers:
    print("opened")  # noqa: T201 (it must not reach the parent)
    return locked(folder)


def alone(folder: str) -> Handlers:
    """Return a map over dicts that each process has for itself."""
    return ALONE


def blank(folder: str) -> Handlers:
    """Return a map whose reads fail in any process but the one that wrote."""

    def get(*, id: str) -> Any:
        raise LookupError("no such table")

    return {**locked(folder), "session.get": get}


def unreachable(folder: str) -> Handlers:
    raise ConnectionError("the database is down")


def raising(folder: str) -> Handlers:
    def update(*, id: str, updates: Any) -> Any:
        raise PermissionError("read-only here")

    return {**locked(folder), "session.update": update}


def dying(folder: str) -> Handlers:
    def update(*, id: str, updates: Any) -> Any:
        os._exit(3)

    return {**locked(folder), "session.update": update}


def hanging(folder: str) -> Handlers:
    async def update(*, id: str, updates: Any) -> Any:
        (Path(folder) / f"pid-{os.getpid()}").touch()
        await asyncio.sleep(3600)

    return {**locked(folder), "session.update": update}


ALONE: Handlers = MemoryMap().handlers()
