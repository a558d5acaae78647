"""Coroutines that run one at a time, from one pause to the next, in an order that a seed decides. No real time."""

from __future__ import annotations

from asyncio import CancelledError
from contextvars import copy_context
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


@coroutine
def pause(where: str) -> Generator[str]:
    """Let others run; `where` says in the trace what is waited for."""
    yield where


class Task:
    """One coroutine with context variables of its own, as a task of asyncio has them."""

    def __init__(self, run: Coroutine[Any, Any, None]) -> None:
        self._run = run
        self._context = copy_context()
        self.where = "not begun"
        self.done = False

    def step(self) -> None:
        """Run to the next pause, or to the end."""
        self._go(self._run.send, None)

    def cancel(self) -> None:
        """Cancel what it waits for, and run to the next pause, or to the end."""
        self._go(self._run.throw, CancelledError())

    def close(self) -> None:
        """End it where it stands."""
        self._context.run(self._run.close)

    def _go(self, resume: Callable[[Any], str], value: Any) -> None:
        try:
            self.where = self._context.run(resume, value)
        except StopIteration:
            self.where, self.done = "is done", True
