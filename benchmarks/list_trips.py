"""How many round trips a list takes, however long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._lists import fill
from benchmarks._relay import relayed
from benchmarks._result import Result, Row
from benchmarks._stores import opened, started

if TYPE_CHECKING:
    from pathlib import Path

STORES, SIZES = ("redis", "postgres", "dynamodb_local"), (10, 10_000)
_RECORD, _PAGE = 1_250, 1_000_000  # bytes: a message as an item, at most, and what a page of DynamoDB's has


async def run(folder: Path, stores: tuple[str, ...] = STORES, *, sizes: tuple[int, ...] = SIZES) -> Result:
    """Count them between the backend and the server. `local:` has no server; DynamoDB answers 1 MB at a time."""
    rows: list[Row] = []
    for store in stores:
        with started(store, folder) as address:
            for size in sizes:
                trips = await _count(store, address, size)
                most = 1 if store in {"redis", "postgres"} else 1 + size * _RECORD // _PAGE
                rows.append(Row(f"{store}: a list of {size:,}", trips, most=most))
    return Result("the round trips of one list", rows, unit="round trips")


async def _count(store: str, address: str, size: int) -> int:
    port = address.rpartition(":")[2].partition("/")[0]
    async with (
        relayed(int(port)) as relay,
        opened(store, address.replace(f":{port}/", f":{relay.port}/")) as pair,
    ):
        await fill(pair.raw, size)
        list_ = pair.backend["message.listBySession"]
        await list_(session_id="none")  # a connection prepares its statements once
        before = relay.trips
        if len(await list_(session_id=str(size))) != size:
            raise RuntimeError(f"a list of {size} came with another length")
        return relay.trips - before
