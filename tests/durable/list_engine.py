"""An engine in a few lines, as a user could write one: its log is a list, and a workflow is a block of code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from storescope.durable import Answer, DurableError, Place, Run, StepFailed

if TYPE_CHECKING:
    from collections.abc import Generator

    from storescope import Store


class ListEngine:
    """Runs steps in place, and keeps `(operation, text)` of each."""

    name = "list"

    def __init__(self, *, attempts: int = 1) -> None:
        self.log: list[tuple[str, str]] = []
        self.attempts = attempts
        self._at: int | None = None

    @contextmanager
    def begin(self) -> Generator[None]:
        """Run a workflow, or replay it as far as the log goes."""
        self._at = 0
        try:
            yield
        finally:
            self._at = None

    def workflow(self) -> str | None:
        return None if self._at is None else "w1"

    async def run(self, store: Store, run: Run) -> Answer:
        assert self._at is not None
        number, self._at = self._at, self._at + 1
        if number < len(self.log):
            operation, text = self.log[number]
            if operation != store.operation:
                raise DurableError(f"the log has {operation} here")
            return Answer(text, replayed=True)
        text = await self._tried(number, run)
        self.log.append((store.operation, text))
        return Answer(text, replayed=False)

    async def _tried(self, number: int, run: Run) -> str:
        attempt = 1
        while True:
            try:
                return await run(Place(self.name, "w1", str(number), attempt))
            except StepFailed as failed:
                if attempt == self.attempts or not failed.retryable:
                    return failed.text
            attempt += 1
