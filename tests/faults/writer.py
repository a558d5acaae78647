"""A client that is killed while it writes: `writer.py URL SEED`.

Several tasks write at once, as their plans say. Before each call it prints `begin TASK`, after it `end TASK`; who
reads that knows, from the same plans, what was acknowledged, what was under way and what was never tried.
"""

from __future__ import annotations

import asyncio
import os
import sys

from storescope.backends import Backend, open_backend
from tests.faults.plan import Plan

TASKS = 4


def say(text: str) -> None:
    os.write(1, text.encode())  # at once, and whole


async def write(backend: Backend, task: int, seed: int) -> None:
    plan = Plan(task, seed)
    while True:
        history, attempt = plan.next()
        what = "value" if attempt.verb == "set" else "updates"
        say(f"begin {task}\n")
        await backend[f"{history.entity}.{attempt.verb}"](id=history.id, **{what: attempt.body})
        say(f"end {task}\n")


async def main(url: str, seed: int) -> None:
    async with open_backend(url) as backend:
        await asyncio.gather(*(write(backend, task, seed) for task in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
