"""Several sinks as one, and sinks that are not the file log held to what `AuditSink` promises."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from storescope.errors import AuditError
from storescope.middleware._audit._writing._waiters import Wait
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

    from storescope.middleware._audit._sinks._sink import AuditSink

WAIT_SECONDS = 1.0
"""How long a call waits for a sink that has no `timeout` of its own; as long as for the file log."""


class Guarded:
    """A sink of which nothing is known: it fails with `AuditError` alone, in time, and its failures are told.

    The file log needs none of that: it counts its own failures and bounds its own waits.

    Attributes:
        region: Where what it takes is kept.
    """

    def __init__(self, sink: AuditSink) -> None:
        self.region = getattr(sink, "region", None)
        self._put = sink.put
        self._name = type(sink).__name__
        self._timeout: float = getattr(sink, "timeout", WAIT_SECONDS)
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record, as `AuditSink` says."""
        try:
            taken = self._put(phase, text, durable=durable)
        except Exception as error:
            raise self._failed(error) from None
        if not asyncio.iscoroutine(taken):
            return None if taken is None else Wait(partial(self._wait, taken))
        return Wait(partial(_shielded, self._run(taken)))

    def _run(self, taken: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let a coroutine begin now: it may be what takes the record, and the call may be gone before it waits."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:  # the call is being closed after its loop
            taken.close()
            raise self._failed(error) from None
        task = loop.create_task(self._wait(taken))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # told already, whether or not the call still waits

    async def _wait(self, taken: Awaitable[None]) -> None:
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                await taken
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the call: what the sink itself was waiting for is gone.
            raise self._failed(AuditError(f"the audit sink {self._name} was cancelled")) from None
        except Exception as error:
            if not limit.expired():
                raise self._failed(error) from None
            late = AuditError(f"the audit sink {self._name} did not answer within {self._timeout:g} s")
            raise self._failed(late) from None

    def _failed(self, error: Exception) -> AuditError:
        """Log a failure, and return it as what a call may be refused with. Texts that are not ours stay out."""
        telemetry_failed(f"audit.{self._name}", error)
        if isinstance(error, AuditError):
            return error
        return AuditError(f"the audit sink {self._name} failed: {type(error).__qualname__}")


class Together:
    """Gives every record to every sink, and fails if all of them do, or any.

    Attributes:
        region: None; the guard asks each sink.
    """

    region = None

    def __init__(self, sinks: Sequence[AuditSink], *, all_must: bool) -> None:
        self._sinks = tuple(sinks)
        self._most_failures = 0 if all_must else len(self._sinks) - 1

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Give one record to all."""
        failures: list[AuditError] = []
        waits: list[Awaitable[None]] = []
        for sink in self._sinks:
            try:
                taken = sink.put(phase, text, durable=durable)
            except AuditError as error:
                failures.append(error)
            else:
                if taken is not None:
                    waits.append(taken)
        if waits:
            return Wait(partial(self._wait, waits, failures))
        self._decide(failures)
        return None

    async def _wait(self, waits: Sequence[Awaitable[None]], failures: list[AuditError]) -> None:
        """Wait for all at once, so that each takes its own time and not the others' too."""
        if len(waits) == 1:  # the usual case, and no task is needed for it
            ended = [await _failure_of(waits[0])]
        else:
            ended = await asyncio.gather(*map(_failure_of, waits))
        self._decide([*failures, *(failure for failure in ended if failure is not None)])

    def _decide(self, failures: Sequence[AuditError]) -> None:
        if len(failures) > self._most_failures:
            raise failures[0] if len(failures) == 1 else AuditError("; ".join(map(str, failures)))


async def _shielded(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


async def _failure_of(wait: Awaitable[None]) -> AuditError | None:
    try:
        await wait
    except AuditError as error:
        return error
    return None
