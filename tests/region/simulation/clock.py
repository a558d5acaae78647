"""Simulated time: a wall clock that may jump, and what a guard can know of it."""

from __future__ import annotations

BEGIN = 1_796_083_200.0  # 2026-12-01T00:00:00Z


class Reader:
    """What one guard has seen of the clock.

    Attributes:
        latest: The latest wall time that it was ever told.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._begun, self._begun_monotonic = clock.wall, clock.passed
        self.latest = clock.wall

    def now(self) -> float:
        """Return the time that counts for it: no jump prolongs anything."""
        lived = self._begun + self._clock.passed - self._begun_monotonic
        return max(self._clock.wall, self.latest, lived)


class SimulatedClock:
    """Stands in the place of the module `time`.

    Attributes:
        wall: What the wall clock shows.
        passed: The seconds that have really passed.
        reader: The guard that runs now.
    """

    def __init__(self) -> None:
        self.wall, self.passed = BEGIN, 0.0
        self.reader: Reader | None = None

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.passed += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self.wall += seconds

    def time(self) -> float:
        """Tell the guard that runs now what the wall clock shows."""
        if self.reader is not None:
            self.reader.latest = max(self.reader.latest, self.wall)
        return self.wall

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.passed
