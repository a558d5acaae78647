"""What a load did and what was seen of it: the whole result, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OperationReport:
    """The calls of one operation.

    Attributes:
        operation: Its name.
        calls: How many ended.
        outcomes: How many of those in each way.
        p50_ms: How long half of those that succeeded took at most, in milliseconds; None if none did.
        p99_ms: The same for 99 of 100.
    """

    operation: str
    calls: int
    outcomes: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The audit log after it was closed.

    Attributes:
        folder: Where it lies; None if it went with the run.
        key: The auditor's secret key; None if it went with the run.
        records: How many records this run wrote.
        failures: How many could not be written, each counted; one is refused on purpose.
        unlogged: How many records the log itself says that it could not take.
        verdict: What `storescope audit verify` says of the folder.
        exit_code: Its exit code.
        summary: Its line for people.
    """

    folder: str | None
    key: str | None
    records: int
    failures: int
    unlogged: int
    verdict: str
    exit_code: int
    summary: str


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The result of a load.

    Attributes:
        backend: The store, for people; never with credentials.
        region: Where it says, or the load assumes, that its data rests.
        seed: What makes the sessions do the same again.
        interrupted: Whether somebody ended it early.
        busy: How many sessions were busy at once.
        seconds: How long calls were made, in seconds.
        sessions: How many sessions were begun.
        turns: How many turns they took.
        calls: How many calls ended.
        calls_per_second: How many in a second.
        p50_ms: How long half of the calls that succeeded took at most, in milliseconds; None if none did.
        p99_ms: The same for 99 of 100.
        outcomes: How many calls ended in each way.
        operations: The same by operation.
        decisions: How many calls the region guard decided in each way.
        error_types: How many calls ended in an error of each type.
        injected_errors: How many of those were faults on purpose, below the middlewares.
        other_errors: How many were not, the refusal by the audit log aside.
        raced_updates: How many updates were made while others of the same record were under way.
        update_conflicts: How many updates the store says found their record changed meanwhile.
        audit: The audit log.
    """

    backend: str
    region: str
    seed: int
    interrupted: bool
    busy: int
    seconds: float
    sessions: int
    turns: int
    calls: int
    calls_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    outcomes: dict[str, int]
    operations: list[OperationReport]
    decisions: dict[str, int]
    error_types: dict[str, int]
    injected_errors: int
    other_errors: int
    raced_updates: int
    update_conflicts: int
    audit: AuditReport

    @property
    def as_asked(self) -> bool:
        """Whether nothing failed but what was to fail, and the audit log is intact, up to an open end at worst."""
        return self.other_errors == 0 and self.audit.verdict in {"intact", "unsealed"}

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "as_asked": self.as_asked}
