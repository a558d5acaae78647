"""What each middleware adds to a bare handler."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds
from benchmarks._stacks import BACKEND, LAYERS, REGION, bare_get, stack
from storescope import call_context

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work

CALLS, ROUNDS = 3_000, 9


async def run(folder: Path) -> Result:
    """Measure each layer alone, and all of them, at 1 % sampling."""
    stacks = {"no layer": (), **{name: (name,) for name in LAYERS}, "all four": LAYERS}
    with contextlib.ExitStack() as opened:
        opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
        contenders: dict[str, Work] = {"bare handler": partial(bare_get, id="session-0123456789")}
        for name, layers in stacks.items():
            wrapped = stack({"session.get": bare_get}, folder, "1 % sampled", layers, backend=BACKEND)
            get = opened.enter_context(wrapped)
            contenders[name] = partial(get, id="session-0123456789")
        figures = await microseconds(contenders, calls=CALLS, rounds=ROUNDS)
    rows = [Row(name, median(values)) for name, values in figures.items()]
    return Result("what each middleware costs alone, at 1 % sampling", rows, {"1 % sampled": figures})
