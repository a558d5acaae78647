"""Waiting on an event loop for what is done elsewhere, a thread above all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable


class Waiter(NamedTuple):
    """Somebody who waits.

    Attributes:
        loop: Where.
        future: What is settled there.
    """

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]

    @classmethod
    def here(cls) -> Waiter | None:
        """Return one on the running loop; None where a coroutine is closed after its loop has ended."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        return cls(loop, loop.create_future())


class Wait:
    """A wait that begins when it is awaited; who cannot wait may leave it."""

    __slots__ = ("_begin",)

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Any, None, None]:
        return self._begin().__await__()


def settle(waiters: Iterable[Waiter], fault: Exception | None) -> None:
    """Tell all who wait, from any thread, with one call for each loop."""
    futures: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for waiter in waiters:
        futures[waiter.loop].append(waiter.future)
    for loop, done in futures.items():
        try:
            loop.call_soon_threadsafe(_settle, done, fault)
        except RuntimeError:
            continue  # that loop was closed: nobody waits there any more


def _settle(futures: list[asyncio.Future[None]], fault: Exception | None) -> None:
    for future in futures:
        if future.done():  # its caller gave up
            continue
        if fault is None:
            future.set_result(None)
        else:
            future.set_exception(type(fault)(*fault.args))  # each its own: a traceback grows with each raise
            future.exception()  # who left it must not be told of by the loop
