"""The other processes: each opens the store, waits for the others, makes its calls and reports.

Run as `python -m storescope.conformance._worker` by `_spawn`, with the job as one line of JSON on stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

from storescope.conformance._probe import named
from storescope.conformance._spawn import BLIND, GO, READY
from storescope.conformance._target import load_target, opened
from storescope.store import Store

if TYPE_CHECKING:
    from storescope.contract import Handlers


async def _attempt(handlers: Handlers, call: str) -> str | None:
    try:
        await Store.from_json(call).on(handlers)
    except Exception as error:
        return named(error)
    return None


async def work(found: Any, job: dict[str, Any], commands: BinaryIO, answers: BinaryIO) -> None:
    """Do a job: open the store, wait for the word, make the calls, report what they raised."""
    async with opened(found, *job["args"]) as handlers:
        if not await Store.from_json(job["witness"]).on(handlers):
            answers.write(BLIND)
            return
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
    found = load_target(job["target"])  # before there is a loop: a module may run one of its own
    asyncio.run(work(found, job, sys.stdin.buffer, answers))


if __name__ == "__main__":
    main()
