"""The other processes: each opens the store, waits for the others, makes its calls and reports.

Run as `python -m storescope.conformance._worker` by `_spawn`, with the job as one line of JSON on stdin.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from storescope.conformance._probe import named
from storescope.conformance._spawn import GO, READY
from storescope.conformance._target import load_target
from storescope.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope.contract import Handlers


@asynccontextmanager
async def opened(made: Any) -> AsyncGenerator[Handlers]:
    """Yield the handler map, whether `made` is one, an awaitable of one, or an async context manager."""
    if hasattr(made, "__aenter__"):
        async with made as handlers:
            yield handlers
    elif inspect.isawaitable(made):
        handlers = await made
        if hasattr(handlers, "aclose"):
            async with aclosing(handlers):
                yield handlers
        else:
            yield handlers
    else:
        yield made


async def _attempt(handlers: Handlers, call: str) -> str | None:
    try:
        await Store.from_json(call).on(handlers)
    except Exception as error:
        return named(error)
    return None


async def work(job: dict[str, Any], commands: BinaryIO, answers: BinaryIO) -> None:
    """Do a job: open the store, wait for the word, make the calls, report what they raised."""
    async with opened(load_target(job["target"])(*job["args"])) as handlers:
        answers.write(READY)
        if await asyncio.to_thread(commands.readline) != GO:
            return  # the parent has given up
        raised = await asyncio.gather(*(_attempt(handlers, call) for call in job["calls"]))
    answers.write(json.dumps([error for error in raised if error]).encode())


def main() -> None:
    """Take one job from stdin."""
    # What handlers print goes to stderr: stdout is where the parent reads the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    job = json.loads(sys.stdin.buffer.readline())
    sys.path.extend(entry for entry in job["path"] if entry not in sys.path)
    asyncio.run(work(job, sys.stdin.buffer, answers))


if __name__ == "__main__":
    main()
