"""What an audit log counts about itself; plain numbers that the metrics read when they are asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storescope.middleware._definitions import AUDIT_WAIT

if TYPE_CHECKING:
    from collections.abc import Iterable

PHASES = ("header", "intent", "outcome", "gap", "seal", "recovery", "tombstone", "tamper", "override")
"""Every phase that a record can have."""

REASONS = ("open", "write", "sync", "timeout", "closed", "reserve", "queue", "processor", "size")
"""Why a record could not be written, or not be brought to the disk."""


@dataclass(slots=True)
class AuditStats:
    """The counts of one log.

    Attributes:
        records: Records written, by phase.
        failures: Records that failed, by reason.
        waits: How many waits ended within each bucket of `agent_storage_audit_wait_seconds`, the last being +Inf.
        wait_seconds: The sum of all waits.
        last_seal: When the last seal was written, in seconds since 1970; 0 before the first.
    """

    records: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PHASES, 0))
    failures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    waits: list[int] = field(default_factory=lambda: [0] * (len(AUDIT_WAIT.buckets) + 1))
    wait_seconds: float = 0.0
    last_seal: float = 0.0

    def waited(self, seconds: float) -> None:
        """Count one wait."""
        self.waits[bisect_left(AUDIT_WAIT.buckets, seconds)] += 1
        self.wait_seconds += seconds

    @classmethod
    def total(cls, parts: Iterable[AuditStats]) -> AuditStats:
        """Add up the counts of several logs."""
        records: Counter[str] = Counter(dict.fromkeys(PHASES, 0))
        failures: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        total = cls()
        for part in parts:
            records.update(part.records)
            failures.update(part.failures)
            total.waits = [a + b for a, b in zip(total.waits, part.waits, strict=True)]
            total.wait_seconds += part.wait_seconds
            total.last_seal = max(total.last_seal, part.last_seal)
        total.records, total.failures = dict(records), dict(failures)
        return total
