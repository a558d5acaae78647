"""Whether a list's memory per record stays flat, from 10 records to 10,000, and among 100,000 other sessions."""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._lists import Lists, Sizes, filled, sizes_for
from benchmarks._result import Result, Row
from benchmarks._stores import STORES, started

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work

LIMIT, FLAT = 1.3, 1.3


async def run(folder: Path, stores: tuple[str, ...] = STORES, *, sizes: Sizes | None = None) -> Result:
    """Measure the peak of one list of each size, the records that it returns included.

    That is what Python allocates, with the driver's replies; buffers that a driver allocates in C are not seen. A
    socket's buffer of 256 KiB is part of every list, and outweighs a short one: memory per record falls before it
    is flat. Both limits are held, on our own growth, and on our share over the raw query of the same size.
    """
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for store in stores:
        filled_in = sizes or sizes_for(store)
        with started(store, folder) as address:
            async with filled(store, address, filled_in) as (alone, crowded):
                raw[store] = await _measure(alone, crowded, filled_in)
        rows += _rows(store, {name: values[0] for name, values in raw[store].items()}, filled_in)
    return Result("what a list needs at most for each record", rows, raw, "bytes a record")


async def _measure(alone: Lists, crowded: Lists, sizes: Sizes) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for side in ("ours", "raw"):
        for size in sizes.sessions:
            found[f"{side} {size}"] = [await _peak(partial(getattr(alone, side), size)) / size]
        beside = partial(getattr(crowded, side), sizes.beside)
        found[f"{side} beside"] = [await _peak(beside) / sizes.beside]
    return found


async def _peak(work: Work) -> int:
    await work()  # what is made once is not the list's
    gc.collect()
    tracemalloc.start()
    try:
        await work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _rows(store: str, figures: dict[str, float], sizes: Sizes) -> list[Row]:
    longest, before = sizes.sessions[-1], sizes.sessions[-2]
    rows: list[Row] = []
    for size in sizes.sessions:
        ours = figures[f"ours {size}"]
        limit = LIMIT if size == longest else None
        rows.append(Row(f"{store}: {size:,} records, to raw", ours, ours / figures[f"raw {size}"], limit))
    ours, beside = figures[f"ours {longest}"], figures["ours beside"]
    rows.append(Row(f"{store}: {longest:,} records to {before:,}", ours, ours / figures[f"ours {before}"], FLAT))
    name = f"{store}: {sizes.beside:,} beside {sizes.others:,} sessions to {sizes.beside:,}"
    rows.append(Row(name, beside, beside / figures[f"ours {sizes.beside}"], FLAT))
    return rows
