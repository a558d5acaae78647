"""Whether a list's time per record stays flat, from 10 records to 10,000, and among 100,000 other sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._lists import Lists, Sizes, filled, sizes_for
from benchmarks._result import Result, Row
from benchmarks._rounds import microseconds, quiet_ratio, quietest
from benchmarks._stores import STORES, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks._rounds import Work

LIMIT = 1.3
_READ = 2_000  # records in a round, or one list if it is longer: short rounds have a chance to go undisturbed


_LONGEST = {"dynamodb_local": 1_000}
"""That server takes eight times as long for a record of 10,000 as for one of 1,000, by hand as well."""


async def run(folder: Path, stores: tuple[str, ...] = STORES, *, sizes: Sizes | None = None) -> Result:
    """Measure both sides at each size: those given, or each store's own.

    One limit is held three times: time per record of the longest list to the shortest's, each with what a call
    costs; of a list among many sessions to the same one alone; and of the longest to the same query by hand.
    Between the two longest, time per record grows by hand too, because 10,000 records outgrow the processor's
    caches; that is reported.
    """
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for store in stores:
        filled_in = sizes or _sizes_for(store)
        with started(store, folder) as address:
            async with filled(store, address, filled_in) as (alone, crowded):
                raw[store] = await _measure(alone, crowded, filled_in)
        rows += _rows(store, raw[store], filled_in)
    return Result("what a list costs for each record", rows, raw, "us a record (best round)")


def _sizes_for(store: str) -> Sizes:
    sizes, longest = sizes_for(store), _LONGEST.get(store)
    return sizes if longest is None else sizes.up_to(longest)


async def _measure(alone: Lists, crowded: Lists, sizes: Sizes) -> dict[str, list[float]]:
    contenders: dict[str, Work] = {}
    records: dict[str, int] = {}
    for side in ("ours", "raw"):
        kinds = [(str(size), size, alone) for size in sizes.sessions] + [("beside", sizes.beside, crowded)]
        for kind, size, lists in kinds:
            name, times = f"{side} {kind}", max(_READ // size, 1)
            contenders[name] = _repeated(getattr(lists, side), size, times)
            records[name] = size * times
    figures = await microseconds(contenders, calls=1, rounds=sizes.rounds)
    return {name: [taken / records[name] for taken in values] for name, values in figures.items()}


def _repeated(list_: Callable[[int], Awaitable[None]], size: int, times: int) -> Work:
    async def work() -> None:
        for _ in range(times):
            await list_(size)

    return work


def _rows(store: str, figures: dict[str, list[float]], sizes: Sizes) -> list[Row]:
    longest, beside = str(sizes.sessions[-1]), "beside"
    names = {str(size): f"{size:,} records" for size in sizes.sessions}
    names[beside] = f"{sizes.beside:,} among {sizes.others:,} sessions"
    rows: list[Row] = []
    for kind, name in names.items():
        share = quiet_ratio(figures, f"ours {kind}", f"raw {kind}")
        limit = LIMIT if kind == longest else None
        rows.append(Row(f"{store}: {name}, to raw", quietest(figures[f"ours {kind}"]), share, limit))
    shortest, before = str(sizes.sessions[0]), str(sizes.sessions[-2])
    pairs = ((longest, shortest, LIMIT), (beside, str(sizes.beside), LIMIT), (longest, before, None))
    name = ""
    for above, below, limit in pairs:
        name = f"{store}: {names[above]} to {names[below]}"
        ours = quiet_ratio(figures, f"ours {above}", f"ours {below}")
        rows.append(Row(name, quietest(figures[f"ours {above}"]), ours, limit))
    by_hand = quiet_ratio(figures, f"raw {longest}", f"raw {before}")
    rows.append(Row(f"{name}, by hand", quietest(figures[f"raw {longest}"]), by_hand))
    return rows
