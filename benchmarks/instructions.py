"""Instructions a call, against those that are kept in the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._callgrind import count_parts
from benchmarks._counted import per_call
from benchmarks._machine import COUNTS_DEPEND_ON, machine
from benchmarks._result import Result, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

GROWTH = LIMIT = 1.10
"""What a call may grow by over the kept count, and what the full stack may take over the inlined function."""

KEPT = Path(__file__).parent / "instructions.json"
FOUND = "benchmarks/results/instructions.json"


async def run(folder: Path) -> Result:
    """Count what each layer, all four and the inlined function execute for one call."""
    found = per_call(count_parts("benchmarks._counted", folder))
    return compare(found, json.loads(KEPT.read_text()), machine())


def compare(found: Mapping[str, float], kept: Mapping[str, Any], here: Mapping[str, Any]) -> Result:
    """Hold counts against the kept ones.

    Args:
        found: Name -> instructions a call, as counted now.
        kept: What `python -m benchmarks instructions` wrote when they were accepted.
        here: The machine now.

    Returns:
        A row for each, and one for the full stack over the inlined function. The notes say what has grown and how
        to accept it, and what differs from the machine that counted the kept ones.
    """
    before: dict[str, float] = {name: lots[0] for name, lots in kept["raw"]["instructions"].items()}
    rows = [_row(name, count, before.get(name)) for name, count in found.items()]
    notes = [*_growth(rows, found, before), *_differences(kept["machine"], here)]
    rows += [
        Row(
            f"full stack over inlined, {sampling}",
            found[f"full stack, {sampling}"] - found[f"inlined by hand, {sampling}"],
            found[f"full stack, {sampling}"] / found[f"inlined by hand, {sampling}"],
            LIMIT,
        )
        for sampling in ("sampled", "unsampled")
    ]
    raw = {"instructions": {name: [count] for name, count in found.items()}}
    return Result("what one call executes, against the kept counts", rows, raw, "instructions a call", notes)


def _row(name: str, count: float, before: float | None) -> Row:
    return Row(name, count) if before is None else Row(name, count, count / before, GROWTH)


def _growth(rows: list[Row], found: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    grown = [f"{row.name} has grown from {before[row.name]:,.0f}" for row in rows if not row.holds]
    new = [f"{name} is not among the kept counts" for name in found if name not in before]
    gone = [f"{name} is kept and was not counted" for name in before if name not in found]
    if not (notes := [*grown, *new, *gone]):
        return []
    return [*notes, f"if that is as it should be, accept the new counts: cp {FOUND} benchmarks/{KEPT.name}"]


def _differences(kept: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Say in what the machines differ: counts depend on the interpreter's build and on the libraries."""
    return [
        f"the kept counts are of {name} {kept.get(name)}, here it is {here.get(name)}: they may differ for that "
        "alone"
        for name in COUNTS_DEPEND_ON
        if kept.get(name) != here.get(name)
    ]
