"""How many requests to an object store a list costs, and a write, with packs and without."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks._raw import message
from benchmarks._relay import relayed
from benchmarks._result import Result, Row
from benchmarks._stores import opened, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks._relay import Relay
    from storescope.backends import Backend

SIZES = (100, 1_000)
_HANDFUL = 4  # requests of a list of 1,000 whose packs are written: two pages, each its pack and its index


async def run(folder: Path, *, sizes: tuple[int, ...] = SIZES) -> Result:
    """Count them between the backend and the server. The first list begins the packs, the second writes them."""
    rows: list[Row] = []
    with started("kv+s3", folder) as address:
        host, _, port = address.rpartition(":")
        for space, option in enumerate(("", "&packs=true")):
            async with relayed(int(port)) as relay, opened("kv+s3", f"{host}:{relay.port}", space, option) as pair:
                rows += await _count(pair.backend, relay, sizes, "with packs" if option else "without packs")
    return Result("what packs save, and what they cost", rows, unit="requests")


async def _count(backend: Backend, relay: Relay, sizes: tuple[int, ...], how: str) -> list[Row]:
    rows: list[Row] = []
    for size in sizes:
        for number in range(size):
            await _set(backend, size, number)
        for which in ("first", "second", "third"):
            list_ = partial(backend["message.listBySession"], session_id=str(size))
            most = _HANDFUL if which == "third" and how == "with packs" else None
            rows.append(Row(f"{how}: the {which} list of {size:,}", await _requests(relay, list_), most=most))
    size = sizes[0]
    writes: dict[str, Callable[[], Awaitable[Any]]] = {
        "a new message": partial(_set, backend, size, size),
        "a message replaced": partial(_set, backend, size, 0),
        "the list after these two": partial(backend["message.listBySession"], session_id=str(size)),
        "a message that moves": partial(_set, backend, size, 1, session="other"),
        "a purge": partial(backend.admin.purge, "message", f"{size}-2"),
    }
    return rows + [Row(f"{how}: {name}", await _requests(relay, write)) for name, write in writes.items()]


async def _requests(relay: Relay, call: Callable[[], Awaitable[Any]]) -> int:
    before = relay.trips
    await call()
    return relay.trips - before


async def _set(backend: Backend, size: int, number: int, session: str = "") -> None:
    id_ = f"{size}-{number}"
    await backend["message.set"](id=id_, value=message(id_, session or str(size)))
