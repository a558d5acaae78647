"""How long leases last, and by which clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescope.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN_SHARE = 0.8  # of a lease that its holder relies on: its clock and a mover's may run up to a ninth apart
_BEATS = 4  # renewals in the time that a lease lasts


@dataclass(frozen=True, slots=True)
class Timing:
    """Spans of time, in seconds. All processes of one registry must agree on the first two.

    Attributes:
        lease: How long a lease lasts after its holder was last heard of.
        settle: How long a call may be under way in a store after its process is gone; longer than the store's
            own time-out.
        wait: How long a call waits for a session that is being moved.
        idle: After how long without a call a lease is given back.
        clock: A clock that never goes back; those of two processes need not agree on anything but its rate.
    """

    lease: float = 10.0
    settle: float = 10.0
    wait: float = 5.0
    idle: float = 60.0
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        for name in ("lease", "settle", "wait", "idle"):
            if not getattr(self, name) > 0:
                raise PolicyError(f"PinRegistry: {name}_seconds must be greater than 0")

    @property
    def relied_on(self) -> float:
        """How long, after it asked for it, a holder relies on its lease."""
        return self.lease * _OWN_SHARE

    @property
    def between_beats(self) -> float:
        """How long a holder waits from one renewal to the next."""
        return self.lease / _BEATS
