"""The parent's side of the cases that need several processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from storescope.conformance._probe import ExpectationError, NotApplicableError, together

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope.conformance._case import Reopen
    from storescope.store import Store

READY = b"ready\n"
BLIND = b"blind\n"
GO = b"go\n"


async def run_elsewhere(reopen: Reopen, shares: list[list[Store]], witness: Store) -> list[str]:
    """Make calls from other processes, one for each share, all at once.

    Args:
        reopen: How they open the store.
        shares: The calls of each process, which it makes concurrently.
        witness: A read of what this process has written. Each process makes it first: plain dicts, for example,
            are there in every process, and shared by none.

    Returns:
        What calls raised, in words.

    Raises:
        ExpectationError: If a process cannot open the store or make the calls.
        NotApplicableError: If the read finds nothing in another process.
    """
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(_worker(reopen, share, witness)) for share in shares]
        for worker in workers:  # all have the store open before any begins: else the first were done by then
            await _until_ready(worker)
        reports = await together(*map(_report, workers))
    return [error for report in reports for error in report]


@asynccontextmanager
async def _worker(reopen: Reopen, share: list[Store], witness: Store) -> AsyncGenerator[Process]:
    command = ("-m", "storescope.conformance._worker")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        job = {
            "target": reopen.target,
            "args": reopen.args,
            "path": sys.path,
            "witness": witness.to_json(),
            "calls": [store.to_json() for store in share],
        }
        _stdin(process).write(json.dumps(job).encode() + b"\n")
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                # Not process.kill(): it may reap a process that has just ended, and asyncio then warns.
                os.kill(process.pid, signal.SIGKILL)
        await process.communicate()  # also closes the pipes


def _stdin(process: Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise ExpectationError("another process could not be started")  # pragma: no cover (it was asked for)
    return process.stdin


async def _until_ready(worker: Process) -> None:
    answer = await worker.stdout.readline() if worker.stdout else b""
    if answer == BLIND:
        raise NotApplicableError("another process does not see what this one wrote")
    if answer != READY:
        _, errors = await worker.communicate()
        raise ExpectationError(f"another process could not open and read the store: {_last_line(errors)}")


async def _report(worker: Process) -> list[str]:
    output, errors = await worker.communicate(GO)
    try:
        report: Any = json.loads(output)
    except ValueError:
        raise ExpectationError(f"another process died with its calls: {_last_line(errors)}") from None
    return [str(error) for error in report]


def _last_line(errors: bytes) -> str:
    """Return the end of a traceback, which says what was wrong."""
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
