"""How many calls a second 64 concurrent callers keep behind the full stack, of those of the bare backend."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import uvloop

from benchmarks._raw import session
from benchmarks._result import Result, Row
from benchmarks._rounds import at_once, in_turn, median, microseconds, ratio
from benchmarks._stacks import REGION, stacked
from benchmarks._stores import started
from storescope import OPERATIONS, call_context
from storescope.backends import open_backend

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope import Handlers

CALLERS, CALLS, ROUNDS = 64, 10, 40
NONE_LIMIT, GROUP_LIMIT = 1 / 0.75, 1 / 0.6
"""In time a call: 0.75 and 0.6 of the calls per second."""


class Case(NamedTuple):
    """What is called, how, and the most that it may take, of what the bare backend takes."""

    store: str
    operation: str
    durability: Literal["group", "none"]
    limit: float | None = None
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    labels: Literal["auto", "off"] = "auto"

    def __str__(self) -> str:
        told = [f"{self.store} {self.operation}", f"audit {self.durability}"]
        told += ["uvloop"] if self.loop == "uvloop" else []
        told += ["labels off"] if self.labels == "off" else []
        return ", ".join(told)


CASES = (
    Case("redis", "session.get", "none", NONE_LIMIT),
    Case("redis", "session.get", "none", NONE_LIMIT, loop="uvloop"),
    Case("redis", "session.get", "group", GROUP_LIMIT),
    Case("postgres", "session.set", "group", GROUP_LIMIT),
    Case("postgres", "session.set", "group", labels="off"),
)
_LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}
_QUERIES = {"postgres": "?migrate=true"}


async def run(
    folder: Path,
    cases: tuple[Case, ...] = CASES,
    *,
    callers: int = CALLERS,
    calls: int = CALLS,
    rounds: int = ROUNDS,
) -> Result:
    """Measure at 1 % sampling, with records of 1 KB, each case on a loop of its own.

    A set with labels reads first what it would replace, which is a second round trip; without labels it is
    reported beside. Postgres does not sync, which would hide what the audit log waits for.
    """
    raw: dict[str, dict[str, list[float]]] = {}
    rows: list[Row] = []
    for store in dict.fromkeys(case.store for case in cases):
        with started(store, folder) as address:
            for case in (case for case in cases if case.store == store):
                own = folder / str(case)
                own.mkdir()
                url = address + _QUERIES.get(store, "")
                measured = _measure(case, url, own, callers=callers, calls=calls, rounds=rounds)
                figures = await asyncio.to_thread(_LOOPS[case.loop], measured)
                raw[str(case)] = {
                    name: [took / (callers * calls) for took in values] for name, values in figures.items()
                }
                rows += _rows(case, raw[str(case)])
    return Result(f"calls of {callers} concurrent callers", rows, raw)


async def _measure(  # noqa: PLR0913 (by name)
    case: Case, url: str, folder: Path, *, callers: int, calls: int, rounds: int
) -> dict[str, list[float]]:
    with contextlib.ExitStack() as opened:
        opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
        async with open_backend(url, region=REGION) as backend:
            how: dict[str, Any] = {"durability": case.durability, "labels": case.labels}
            full = opened.enter_context(stacked(backend, folder, "1 % sampled", **how))
            contenders: dict[str, Work] = {}
            for name, handlers in (("bare", backend), ("full stack", full)):
                # One for each caller: who sets a row that others set waits for them.
                ids = [f"{case}, {name}, {number}" for number in range(callers)]
                await asyncio.gather(*(full["session.set"](id=id_, value=session(id_)) for id_ in ids))
                contenders[name] = partial(at_once, _calls(handlers, case.operation, ids), callers, calls)
            return await microseconds(contenders, calls=1, rounds=rounds)


def _calls(handlers: Handlers, operation: str, ids: list[str]) -> Work:
    """Return what makes a call about the next id, with a record of 1 KB if it is a set."""
    writes = OPERATIONS[operation].writes
    params = [{"id": id_, "value": session(id_)} if writes else {"id": id_} for id_ in ids]
    return in_turn([partial(handlers[operation], **each) for each in params])


def _rows(case: Case, figures: dict[str, list[float]]) -> list[Row]:
    share = ratio(figures, "full stack", "bare")
    return [
        Row(f"{case}: bare", median(figures["bare"]), 1.0),
        Row(f"{case}: full stack", median(figures["full stack"]), share, case.limit),
    ]
