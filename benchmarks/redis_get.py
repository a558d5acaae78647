"""What the full stack adds to `session.get` on a real Redis over loopback."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from benchmarks._stacks import POLICY, REGION, stack
from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import region_guard
from tests.servers import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work

CALLS, ROUNDS = 1_500, 9


async def run(folder: Path) -> Result:
    """Measure the bare backend and the full stack, at 1 % sampling and with every call sampled."""
    server = RedisServer(folder).start()
    try:
        return await _measure(server.url, folder)
    finally:
        server.kill()


async def _measure(url: str, folder: Path) -> Result:
    async with open_backend(url, region=REGION) as backend:
        with contextlib.ExitStack() as opened:
            opened.enter_context(call_context(tenant="acme", actor="bench", region=REGION))
            guarded = wrap(backend, region_guard(POLICY))  # the guard lets nobody read what it has not labelled
            await guarded["session.set"](id="s1", value={"createdAt": 1, "lastMessageId": "m1"})
            contenders: dict[str, Work] = {"without": partial(backend["session.get"], id="s1")}
            for sampling in ("1 % sampled", "sampled"):
                (folder / sampling).mkdir()
                get = opened.enter_context(stack(backend, folder / sampling, sampling))
                contenders[f"full stack, {sampling}"] = partial(get, id="s1")
            figures = await microseconds(contenders, calls=CALLS, rounds=ROUNDS)
    rows = [Row("Redis session.get without any", median(figures["without"]), 1.0)]
    rows += [
        Row(name, median(values), ratio(figures, name, "without"))
        for name, values in figures.items()
        if name != "without"
    ]
    return Result("what the full stack adds to a Redis session.get", rows, {"redis": figures})
