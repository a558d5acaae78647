"""How many calls a server is sent at once, and how long each may take.

`asyncio.timeout` and `asyncio.Semaphore` would do, but together cost a call 5 us (Python 3.11), and more than
that between two waits for a socket: a timer in the event loop for each call, and coroutines that find that there
is nothing to wait for. All calls to one server may take equally long, so they end in the order in which they
began, and one timer, the first's, is enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from storescope.reports import BackendReport


class Turns:
    """Lets some calls go on at once; the others wait, and go on in order.

    Attributes:
        free: How many more may go on now; 0 while any waits.
        seconds: How long each may take.
        ends: When the time of each is over, in order: the first ends first.
        loop: The event loop of the calls.
        timer: Goes off when the first one's time is over, or sooner.
    """

    def __init__(self, limit: int, seconds: float, report: BackendReport) -> None:
        """Make turns for the calls of one event loop.

        Args:
            limit: How many go on at once.
            seconds: How long each may take, the wait for its turn included.
            report: Where those that wait are counted.
        """
        self.free = limit
        self.seconds = seconds
        self.ends: dict[Turn, float] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._report = report
        self._waiting: deque[asyncio.Future[None]] = deque()

    def watch(self, loop: asyncio.AbstractEventLoop, end: float) -> None:
        """See to it that somebody looks when the first one's time is over."""
        self.loop, self.timer = loop, loop.call_at(end, self._expire, loop)

    async def wait(self) -> None:
        """Wait for a turn that another gives up."""
        given = asyncio.get_running_loop().create_future()
        self._waiting.append(given)
        self._report.add("connections_waiting")
        try:
            await given
        except BaseException:
            if given.done() and not given.cancelled():  # it came, and so did the cancellation
                self.pass_on()
            else:
                with suppress(ValueError):  # whoever gave up a turn meanwhile has passed over this one
                    self._waiting.remove(given)
            raise
        finally:
            self._report.add("connections_waiting", -1)

    def pass_on(self) -> None:
        """Give up a turn, to the first that waits."""
        while self._waiting:
            given = self._waiting.popleft()
            if not given.done():
                given.set_result(None)
                return
        self.free += 1

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel those whose time is over, and come again when the next one's is."""
        now = loop.time()
        while self.ends:
            turn, end = next(iter(self.ends.items()))
            if end > now:
                self.watch(loop, end)
                return
            del self.ends[turn]
            turn.expire()
        self.timer = None


class Turn:
    """One call's turn and time.

    ```python
    with Turn(turns) as turn:
        if turn.waits:
            await turn.comes()
        ...
    ```

    Leaving it raises `TimeoutError` if the call took too long; what it awaited was cancelled.

    Attributes:
        waits: Whether it has yet to come.
    """

    __slots__ = ("_cancelling", "_expired", "_task", "_turns", "waits")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._expired = False

    def __enter__(self) -> Self:
        turns = self._turns
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a backend is called inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        turns.ends[self] = end = loop.time() + turns.seconds
        if turns.timer is None or turns.loop is not loop:
            turns.watch(loop, end)
        if turns.free:
            turns.free -= 1
            self.waits = False
        else:
            self.waits = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.ends.pop(self, None)
        if not self.waits:
            self._turns.pass_on()
        # As asyncio.timeout has it: a caller who cancels at the same moment is not told of a time-out.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    async def comes(self) -> None:
        """Wait until it comes."""
        if self._turns.free:  # after `give_back`; else there was none when it was asked for
            self._turns.free -= 1
        else:
            await self._turns.wait()
        self.waits = False

    def give_back(self) -> None:
        """Let another go on, because this call is going to wait for something else; its time runs on."""
        self.waits = True
        self._turns.pass_on()

    def expire(self) -> None:
        """Cancel what the call awaits."""
        self._expired = True
        self._task.cancel()
