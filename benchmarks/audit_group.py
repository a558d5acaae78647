"""How much 64 callers gain by sharing syncs: `group` against `each`, and against an empty group-commit loop."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks._group_commit import group_commit
from benchmarks._result import Result, Row
from benchmarks._rounds import at_once, microseconds, ratio
from benchmarks._stacks import BACKEND, REGION
from storescope import call_context, wrap
from storescope.middleware import AuditLog, audit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks._group_commit import GroupCommit
    from benchmarks._rounds import Work

CALLERS, CALLS, ROUNDS = 64, 20, 9
EACH_LIMIT, LOOP_LIMIT = 1 / 8, 1 / 0.8
"""At least 8 times the records of `each`, or 80 % of those of an empty loop: one of the two."""
_LINE = b"x" * 610 + b"\n"
"""As long as a record of these calls."""


async def run(folder: Path, *, callers: int = CALLERS, calls: int = CALLS, rounds: int = ROUNDS) -> Result:
    """Measure writes, two records each: the call waits until the first is on the disk."""
    with ExitStack() as opened:
        opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
        group, each = (
            _calls(opened.enter_context(AuditLog.open(folder / name, durability=name, timeout=60)))
            for name in ("group", "each")
        )
        empty = partial(_append, opened.enter_context(group_commit(folder / "empty.jsonl")))
        works: dict[str, tuple[Work, int]] = {
            "group": (partial(at_once, group, callers, calls), callers * calls),
            "each, one caller": (partial(at_once, each, 1, calls), calls),
            "each": (partial(at_once, each, callers, calls), callers * calls),
            "empty loop": (partial(at_once, empty, callers, calls), callers * calls),
            "one sync": (partial(_sync_once, folder / "synced"), 1),
        }
        raw = await microseconds({name: work for name, (work, _) in works.items()}, calls=1, rounds=rounds)
    records = {name: 2 * made for name, (_, made) in works.items()} | {"one sync": 1}
    figures = {name: [took / records[name] for took in found] for name, found in raw.items()}
    return Result("the records of 64 callers that share syncs", _rows(figures), {"": figures}, unit="us a record")


def _rows(figures: dict[str, list[float]]) -> list[Row]:
    to_each, to_loop = ratio(figures, "group", "each, one caller"), ratio(figures, "group", "empty loop")
    by_each = to_each <= EACH_LIMIT  # one of the two must hold, and is the one that is held to
    value = {name: median(found) for name, found in figures.items()}
    return [
        Row("a line and fdatasync alone", value["one sync"]),
        Row("each, a sync for every record", value["each, one caller"], 1.0),
        Row("group, against that", value["group"], to_each, EACH_LIMIT if by_each else None),
        Row("an empty group-commit loop", value["empty loop"], 1.0),
        Row("group, against that", value["group"], to_loop, None if by_each else LOOP_LIMIT),
        Row("each, whose 64 callers share syncs too", value["each"]),
    ]


def _calls(log: AuditLog) -> Callable[[], Awaitable[Any]]:
    return partial(wrap({"session.set": _set}, audit(log), backend=BACKEND)["session.set"], id="s1", value={})


async def _set(*, id: str, value: dict[str, Any]) -> None:
    del id, value


async def _append(loop: GroupCommit) -> None:
    await loop.put(_LINE, durable=True)
    await loop.put(_LINE, durable=False)


async def _sync_once(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.write(file, _LINE)
    os.fdatasync(file)
    os.close(file)
