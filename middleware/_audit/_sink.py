"""What takes audit records: the log in a folder, and whatever else speaks this interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable


class AuditSink(Protocol):
    """Takes the audit records of calls.

    Attributes:
        region: Where what it takes is kept, `aws:eu-west-1`, for policies with `telemetry` rules; None if unknown.
    """

    @property
    def region(self) -> str | None:
        """Where what it takes is kept."""

    def put(self, phase: str, text: str, *, durable: bool) -> Awaitable[None] | None:
        """Take one record.

        Args:
            phase: `intent` or `outcome`.
            text: Its JSON from `phase` on, without braces, in ASCII: `"phase":"outcome","call_id":...`.
            durable: Whether the call must not go on before the record is as safe as the sink makes records.

        Returns:
            None if the call may go on; else what it must await before. Who cannot wait may leave it.

        Raises:
            AuditError: Here or when awaited, if the record could not be taken.
        """
