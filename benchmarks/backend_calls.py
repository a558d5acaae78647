"""Each backend's operations against the same work by hand on its raw client."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks._raw import UPDATES, same_calls
from benchmarks._raw_postgres import RawPostgres
from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from benchmarks._stores import STORES, one_core, opened, started

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work

CALLS, ROUNDS, LISTED, LIMIT = 5, 400, 100, 1.3
LIST = "message.listBySession"


async def run(
    folder: Path,
    stores: tuple[str, ...] = STORES,
    *,
    calls: int = CALLS,
    rounds: int = ROUNDS,
    limit: float | None = LIMIT,
) -> Result:
    """Measure the bare backends, without middleware. The limit is for operations on a single record.

    What each side's work costs is what counts here, so client and server share one core.
    """
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for store in stores:
        with one_core(), started(store, folder) as address:
            for operation, figures in (await _measure(store, address, calls, rounds)).items():
                name = f"{store} {operation}" + (f" of {LISTED}" if operation == LIST else "")
                share = ratio(figures, "ours", "raw")
                rows.append(Row(name, median(figures["ours"]), share, None if operation == LIST else limit))
                if "usual" in figures:
                    usual = ratio(figures, "ours", "usual")
                    rows.append(Row(f"{name}, to SELECT FOR UPDATE", median(figures["ours"]), usual))
                raw[name] = figures
    return Result("what a backend costs over the same work on its raw client", rows, raw)


async def _measure(store: str, address: str, calls: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    async with opened(store, address) as pair:
        for operation, (by_hand, ours) in (await same_calls(pair.backend, pair.raw, listed=LISTED)).items():
            contenders: dict[str, Work] = {"raw": by_hand, "ours": ours}
            if isinstance(pair.raw, RawPostgres) and operation == "session.update":
                contenders["usual"] = partial(pair.raw.update_locked, "raw", UPDATES)
            found[operation] = await microseconds(contenders, calls=calls, rounds=rounds)
    return found
