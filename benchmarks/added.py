"""What the full stack adds to a Redis `session.get` and a Postgres `session.set`, against the same by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from benchmarks._inlined import inlined_session_get
from benchmarks._inlined_set import inlined_session_set, unlabelled
from benchmarks._raw import session
from benchmarks._result import Result, Row
from benchmarks._rounds import added, added_ratio, median, microseconds, ratio
from benchmarks._stacks import REGION, answer, provider, stacked
from benchmarks._stores import one_core, started
from storescope import call_context
from storescope.backends import open_backend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope.backends import Backend

CALLS, ROUNDS, LIMIT = 20, 200, 1.15
SAMPLING, TENANT = "1 % sampled", "acme"
CASES = {"redis": "session.get", "postgres": "session.set"}
AIMS = {"redis": 0.25, "postgres": 0.10}
"""Of the bare call: what the full stack is to add, where that can be had."""


async def run(
    folder: Path, stores: tuple[str, ...] = tuple(CASES), *, calls: int = CALLS, rounds: int = ROUNDS
) -> Result:
    """Measure both around one backend, on one core with its server; records of 1 KB, with labels on both sides."""
    rows: list[Row] = []
    raw: dict[str, dict[str, list[float]]] = {}
    for store in stores:
        operation = CASES[store]
        with one_core(), started(store, folder) as address:
            raw[store] = await _measure(address, folder / store, operation, calls, rounds)
        rows += _rows(f"{store} {operation}", raw[store], AIMS[store])
    return Result("what is added at 1 % sampling, to the same by hand", rows, raw)


async def _measure(address: str, folder: Path, operation: str, calls: int, rounds: int) -> dict[str, list[float]]:
    with call_context(tenant=TENANT, actor="bench", region=REGION):
        url = address + ("?migrate=true" if address.startswith("postgres") else "")
        async with open_backend(url, region=REGION) as backend:
            with stacked(backend, folder, SAMPLING) as full:
                works = {
                    "bare": backend[operation],
                    "by hand": by_hand(backend, operation, folder),
                    "full stack": full[operation],
                }
                contenders: dict[str, Work] = {}
                for name, handler in works.items():
                    await full["session.set"](id=name, value=session(name))
                    given = {"value": session(name)} if operation == "session.set" else {}
                    contenders[name] = partial(handler, id=name, **given)
                return await microseconds(contenders, calls=calls, rounds=rounds)


def by_hand(backend: Backend, operation: str, folder: Path) -> Callable[..., Awaitable[Any]]:
    """Return the inlined function around a backend, which also does by hand what the guard does with labels."""
    how: dict[str, Any] = {
        "tracer_provider": provider(SAMPLING),
        "registry": CollectorRegistry(),
        "audit_file": folder / "by-hand.jsonl",
        "decisions": {(TENANT, REGION): answer(TENANT)},
    }
    if operation == "session.set":
        return inlined_session_set(backend, backend.info, **how)
    return inlined_session_get(unlabelled(backend[operation], TENANT, answer(TENANT)), backend.info, **how)


def _rows(case: str, figures: dict[str, list[float]], aim: float) -> list[Row]:
    names = {"bare": "bare", "by hand": "by hand", "full stack": f"full stack, aim {1 + aim:.2f} of bare"}
    rows = [
        Row(f"{case}: {told}", median(figures[name]), ratio(figures, name, "bare")) for name, told in names.items()
    ]
    rows.append(Row(f"{case}: by hand adds", median(added(figures, "by hand", "bare")), 1.0))
    share = added_ratio(figures, "full stack", "by hand", "bare")
    rows.append(Row(f"{case}: full stack adds", median(added(figures, "full stack", "bare")), share, LIMIT))
    return rows
