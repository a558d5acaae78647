"""Faults on purpose: calls that fail below the middlewares, and one record that the audit log cannot write."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from storescope.errors import BackendError
from storescope.middleware import AuditLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from storescope import BackendInfo, Call, Operation, Step

FAULTS = ("load.ConnectionLost", "load.Overloaded", "load.DiskFull")
"""The error types of the faults: what a driver's class and code would be."""

_due: ContextVar[str | None] = ContextVar("storescope_load_fault", default=None)


class Faults:
    """The innermost layer: it fails the calls that are made inside `fault`, as a broken store would."""

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that raises where the store would be contacted."""
        text = f"{backend.label}: {operation.name} failed: injected by storescope load"

        def step(call: Call) -> Awaitable[Any]:
            error_type = _due.get()
            if error_type is not None:
                raise BackendError(text, driver_error=error_type, retryable=True)
            return next_step(call)

        return step


@contextmanager
def fault(error_type: str) -> Generator[None]:
    """Let the calls of a block fail."""
    token = _due.set(error_type)
    try:
        yield
    finally:
        _due.reset(token)


class FailingLog(AuditLog):
    """The audit log in its folder, which can be told to refuse one record as if its disk were full.

    Attributes:
        refused: How many it refused because it was told to.
    """

    refused = 0
    _fails_next = False

    def fail_once(self) -> None:
        """Refuse the next intent; the log counts it, and records the gap, as it does for a real disk."""
        self._fails_next = True

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record, as `AuditLog.put` does."""
        if self._fails_next and phase == "intent":
            self._fails_next = False
            self.refused += 1
            raise self._journal.failed("write", "no space left on the disk, injected by storescope load")
        return super().put(phase, text, durable=durable)
