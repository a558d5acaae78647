"""Several writers at once over a handler map, through whatever happens to its store, with a ledger of it all."""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Self

from storescope import BackendError, RecordNotFoundError, StorageError
from tests.faults.audit import check_record
from tests.faults.ledger import CANARY, LISTED, Attempt, Fate, History, Ledger
from tests.faults.plan import Plan
from tests.s3_server import S3Server
from tests.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from storescope import Handler

SLACK = 3.0
"""Seconds that a call may take beyond its limit on a machine that is busy."""

RECOVERY = 20.0
"""Seconds within which every writer must get on again once a fault is over."""

_SECRETS = (CANARY, PostgresServer.PASSWORD, S3Server.KEY, S3Server.SECRET)


class Traffic:
    """Enter it to begin, leave it to stop: calls that are under way then are cancelled.

    Args:
        handlers: What is written to.
        limit: The longest that a call may take, in seconds.
        late: Whether what a caller has given up may yet be applied later: a server that was stopped goes on with
            what it had received. A record whose last attempt's fate is unknown is then written no more, for a
            late write over a later one would be no fault of the client's.
        size: The longest text in a record, in characters.
        writers: How many write at once.
        plans: What each of them does, if it is not what all these tests do.
        ledger: Where it is noted.

    Attributes:
        expected: The errors that a call may end in.
    """

    expected: ClassVar[tuple[type[StorageError], ...]] = (BackendError,)

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        limit: float,
        late: bool = False,
        size: int = 500,
        writers: int = 6,
        plans: Sequence[Plan] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.errors: list[BackendError] = []
        self._handlers = handlers
        self._limit = limit
        self._late = late
        self._plans = plans or [Plan(writer, 4711, size=size) for writer in range(writers)]
        self._got_on = [0] * len(self._plans)
        self._failed = [0] * len(self._plans)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._write(writer)) for writer in range(len(self._plans))]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._raise_what_was_found()

    async def get_on(self, writes: int = 5) -> None:
        """Wait until every writer had some more writes acknowledged."""
        await self._all_gain(self._got_on, writes, "get on")

    async def feel_it(self, inflict: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Wait until every writer has seen a call fail; a fault of a moment is inflicted again and again."""
        await self._all_gain(self._failed, 1, "feel the fault", inflict)

    async def go_on(self) -> None:
        """Go on until something is found that must not be, and raise it."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        self._raise_what_was_found()

    async def _all_gain(
        self, counts: list[int], gain: int, what: str, inflict: Callable[[], Awaitable[Any]] | None = None
    ) -> None:
        goal = [number + gain for number in counts]
        give_up = time.monotonic() + RECOVERY
        while any(number < wanted for number, wanted in zip(counts, goal, strict=True)):
            self._raise_what_was_found()
            errors = [str(error) for error in self.errors[-5:]]
            assert time.monotonic() < give_up, f"the writers do not all {what}: {counts}, {errors}"
            if inflict is not None:
                await inflict()
            await asyncio.sleep(0.01)

    def _raise_what_was_found(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _write(self, writer: int) -> None:
        plan = self._plans[writer]
        while True:
            await asyncio.sleep(0)  # `memory:` never waits
            history, attempt = plan.next()
            await self._try(writer, history, attempt)
            if attempt.fate is Fate.UNKNOWN and (self._late or attempt.ended is None):
                plan.retire(history)
            if plan.random.random() < 0.3:
                await self._read(writer, history)

    async def _try(self, writer: int, history: History, attempt: Attempt) -> None:
        what = "value" if attempt.verb == "set" else "updates"
        self.ledger.begin(history, attempt)
        random = self._plans[writer].random
        patience = asyncio.timeout(random.uniform(0, 0.005) if random.random() < 0.02 else None)
        try:
            async with patience:
                await self._call(f"{history.entity}.{attempt.verb}", id=history.id, **{what: attempt.body})
        except TimeoutError:
            assert patience.expired()  # cancelled by us; it never ends
        except self.expected as error:
            self.ledger.end(attempt, Fate.UNKNOWN if error.maybe_applied else Fate.REFUSED)
            await self._note(writer, error)
        except RecordNotFoundError:
            assert not history.must_exist, f"{history.id} is there, and its update says that it is not"
            self.ledger.end(attempt, Fate.REFUSED)
        else:
            self.ledger.end(attempt, Fate.ACKNOWLEDGED)
            self._got_on[writer] += 1

    async def _read(self, writer: int, history: History) -> None:
        try:
            record = await self._call(f"{history.entity}.get", id=history.id)
            assert not (problems := check_record(history, record)), problems
            if record is not None and history.entity in LISTED and history.is_certain:
                records = await self._call(f"{history.entity}.listBySession", session_id=record["sessionId"])
                assert [listed for listed in records if listed["id"] == history.id] == [record]
                assert all(listed["first"] == listed["last"] for listed in records), "a torn record is listed"
        except self.expected as error:
            await self._note(writer, error, wrote=False)

    async def _call(self, operation: str, **params: Any) -> Any:
        begun = time.monotonic()
        try:
            return await self._handlers[operation](**params)
        finally:
            took = time.monotonic() - begun
            assert took < self._limit + SLACK, f"{operation} took {took:.1f} s, and {self._limit} s are allowed"

    async def _note(self, writer: int, error: StorageError, *, wrote: bool = True) -> None:
        assert wrote or not error.maybe_applied, f"the call only read, and {error}"
        self._check(error)
        self._failed[writer] += 1
        await asyncio.sleep(0.02)

    def _check(self, error: StorageError) -> None:
        """Hold an error to what it must be."""
        assert isinstance(error, BackendError)
        check_error(error)
        self.errors.append(error)


def check_error(error: BackendError) -> None:
    """Hold an error that a passing fault caused to what it must say, and to what it must not."""
    assert error.driver_error, f"no driver's class and code: {error}"
    assert error.retryable, f"it would succeed later, and is not said to: {error}"
    assert ("a write may have been applied" in str(error)) == error.maybe_applied
    assert error.__cause__ is None
    assert error.__suppress_context__
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert not [secret for secret in _SECRETS if secret in shown]
