"""What takes audit records: the log in a folder, and whatever else speaks this interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable


class AuditSink(Protocol):
    """Takes the audit records of calls. Write a class like this to send them elsewhere.

    It may also have a `timeout`, in seconds: how long a call waits for it at most; 1 if it has none. `put` may be
    an `async def`, and whatever it raises counts as an `AuditError`.

    Attributes:
        region: Where what it takes is kept, `aws:eu-west-1`, for policies with `telemetry` rules; None if unknown.
    """

    @property
    def region(self) -> str | None:
        """Where what it takes is kept."""

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record. It is called on the event loop, and must not block.

        Args:
            phase: `intent` or `outcome`.
            text: Its JSON from `phase` on, without braces, in ASCII: `"phase":"outcome","call_id":...`.
            durable: Whether the call must not go on before the record is as safe as the sink makes records.

        Returns:
            None if the call may go on; else what it must await before. A call that is cancelled or closed leaves
            it; a coroutine runs to its end all the same.

        Raises:
            AuditError: Here or when awaited, if the record could not be taken.
        """
