"""What the sessions count: how calls ended, and how long those took that succeeded."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from math import log

_STEP = log(1.02)  # durations are kept to 2 %, in a bounded number of buckets


@dataclass(slots=True)
class OperationTally:
    """The calls of one operation.

    Attributes:
        outcomes: How many ended in each way.
        buckets: How many of those that succeeded took how long, by the logarithm of their microseconds.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def percentile(self, part: float) -> float | None:
        """Return how long a part of the calls that succeeded took at most, in milliseconds; None if none did."""
        buckets = sorted(self.buckets)
        counts = accumulate(self.buckets[bucket] for bucket in buckets)
        needed = part * self.buckets.total()
        for bucket, count in zip(buckets, counts, strict=True):
            if count >= needed:
                return round(1.02 ** (bucket + 1) / 1e3, 4)
        return None


@dataclass(slots=True)
class Tally:
    """The calls of all sessions.

    Attributes:
        calls: How many ended.
        operations: By operation.
        error_types: How many ended in an error of each type; of a backend, the driver's class and code.
        raced: How many updates were made while others of the same record were under way.
        sessions: How many sessions were begun.
        turns: How many turns.
    """

    calls: int = 0
    operations: defaultdict[str, OperationTally] = field(default_factory=lambda: defaultdict(OperationTally))
    error_types: Counter[str] = field(default_factory=Counter)
    raced: int = 0
    sessions: int = 0
    turns: int = 0

    def add(self, operation: str, outcome: str, seconds: float) -> None:
        """Count a call that took this many seconds."""
        self.calls += 1
        counted = self.operations[operation]
        counted.outcomes[outcome] += 1
        if outcome == "ok":
            counted.buckets[int(log(max(1.0, seconds * 1e6)) / _STEP)] += 1

    def every(self) -> OperationTally:
        """Return the calls of all operations together."""
        total = OperationTally()
        for each in self.operations.values():
            total.outcomes += each.outcomes
            total.buckets += each.buckets
        return total
