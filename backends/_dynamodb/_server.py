"""A connected table: its calls, so many at once, each within its time."""

from __future__ import annotations

import asyncio
import random
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from storescope import BackendError
from storescope.backends._dynamodb._connection import ATTEMPT, Attempt
from storescope.backends._dynamodb._errors import DRIVER_ERRORS, backend_error, is_answer
from storescope.backends._turns import Turn, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends._dynamodb._connect import Connected, DynamoOptions
    from storescope.backends._dynamodb._connection import DynamoLinks

_T = TypeVar("_T")
_TRIES = 100
_PAUSE, _LONGEST_PAUSE = 0.005, 0.05  # seconds: some turns of a request


class Again(Enum):
    """What an attempt returns that somebody else's write got in before."""

    AGAIN = auto()


AGAIN = Again.AGAIN


class Server:
    """What every table needs.

    Attributes:
        report: Where retries and conflicts are counted.
    """

    def __init__(self, connected: Connected, options: DynamoOptions, links: DynamoLinks) -> None:
        self.report = links.report
        self._stack = connected.stack
        self._links = links
        self._timeout = options.timeout
        self._turns = Turns(options.max_connections, options.timeout, self.report)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write(self, key: str, attempt: Callable[[int], Awaitable[_T | Again]]) -> _T:
        """Write a record that others may write too. Those of this process wait in turn and do not collide.

        Args:
            key: The record's.
            attempt: Given its number, from 0. Returns `AGAIN` if somebody else wrote meanwhile.

        Raises:
            BackendError: As of `run`, and if others got in before every attempt.
        """
        return await self._within_time(partial(self._in_order, key, attempt), writes=True)

    async def run(self, job: Callable[[], Awaitable[_T]], *, writes: bool = False) -> _T:
        """Run the requests of a call.

        Args:
            job: Makes them.
            writes: Whether any of them writes.

        Raises:
            BackendError: If it fails, or waits too long for its turn and the replies.
        """
        return await self._within_time(partial(_in_turn, job), writes=writes)

    async def _in_order(self, key: str, attempt: Callable[[int], Awaitable[_T | Again]], turn: Turn) -> _T:
        """Make attempts once those that came before are done with the record, which keeps nobody from others."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        elif not turn.waits:
            turn.give_back()
        async with lock:
            return await _in_turn(partial(self._until_done, attempt), turn)

    async def _within_time(self, job: Callable[[Turn], Awaitable[_T]], *, writes: bool) -> _T:
        attempt = Attempt()
        ATTEMPT.set(attempt)
        try:
            with Turn(self._turns) as turn:
                return await job(turn)
        except TimeoutError:
            self._links.renew(attempt.generation)  # the idle connections most likely end nowhere too
            raise BackendError(
                f"dynamodb: no reply within {self._timeout:g} s",
                driver_error="botocore.TimeoutError",
                retryable=True,
                maybe_applied=writes and attempt.sent,
            ) from None
        except DRIVER_ERRORS as error:
            if not is_answer(error):
                self._links.renew(attempt.generation)
            raise backend_error("a request failed", error, sent=writes and attempt.sent) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._stack.aclose()
        self.report.end()

    async def _until_done(self, attempt: Callable[[int], Awaitable[_T | Again]]) -> _T:
        """Make attempts, with a pause of random length before each but the first, until one is not in vain."""
        for number in range(_TRIES):
            if number:
                self.report.add("update_conflicts")
                await asyncio.sleep(random.uniform(0, min(_PAUSE * 2**number, _LONGEST_PAUSE)))  # noqa: S311 (jitter)
            result = await attempt(number)
            if not isinstance(result, Again):
                return result
        raise BackendError(
            f"dynamodb: others wrote this record before each of {_TRIES} tries",
            driver_error="botocore.ClientError:ConditionalCheckFailedException",
            retryable=True,
        )


async def _in_turn(job: Callable[[], Awaitable[_T]], turn: Turn) -> _T:
    if turn.waits:
        await turn.comes()
    return await job()
