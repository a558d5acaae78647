"""Points in time of a policy: read with their offset from UTC, kept as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

EXAMPLE = "2027-01-31T00:00:00Z"


def seconds_of(value: Any) -> float | None:
    """Return seconds since 1970; None if the value is no date and time with an offset.

    Args:
        value: A `datetime`, as TOML has them, or its ISO form as a string.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            return None
        seconds = moment.timestamp()
        text_of(seconds)  # the last day of the year 9999, shifted by its offset, is in no calendar
    except (ValueError, OverflowError):
        return None
    return seconds


def text_of(seconds: float) -> str:
    """Return a point in time in UTC, in ISO's form."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def text_of_monitoring(until: float | None) -> str:
    """Return in words what `monitor_until` means, `monitored until 2027-01-31T00:00:00Z`."""
    if until is None:
        return "enforced"
    return "monitored without an end" if until == inf else f"monitored until {text_of(until)}"
