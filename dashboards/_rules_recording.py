"""The recording rules: how many calls fail and how many are slow, over every window that an alert looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

from storescope.dashboards._measures import ANSWERED
from storescope.dashboards._queries import Vector, rate, ratio, series_of, total
from storescope.dashboards._rule import Group, Recording, duration
from storescope.middleware._definitions import DURATION, OPERATIONS

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

LEVEL = ("job", "backend")
"""What objectives hold for: one job's calls on one backend."""

_NAME = f"{'_'.join(LEVEL)}:{OPERATIONS.name.removesuffix('_total')}"


def recording(objectives: Objectives) -> Group:
    """Return the recording rules, those that others read first."""
    base = shortest(objectives)
    calls = Recording(f"{_NAME}:rate{duration(base)}", _calls(objectives, base))
    errors = Recording(f"{_NAME}_error:rate{duration(base)}", _calls(objectives, base, outcome="error"))
    answered = Recording(f"{_NAME}_answered:rate{duration(base)}", _answered(objectives, base))
    slow = Recording(f"{_NAME}_slow:rate{duration(base)}", _slow(objectives, base))
    shares = [
        Recording(_share_name(kind, window), _share(part.recorded, whole.recorded, window, base))
        for kind, part, whole in (("error", errors, calls), ("slow", slow, answered))
        for window in windows(objectives)
    ]
    return Group("storescope-recording", (calls, errors, answered, slow, *shares))


def recorded_share(kind: str, window: int) -> Vector:
    """Return the recorded share of calls of a kind, `error` or `slow`, over a window in seconds."""
    return Vector(_share_name(kind, window), frozenset(LEVEL))


def windows(objectives: Objectives) -> list[int]:
    """Return every window of the burn rates, in seconds, the shortest first."""
    burns = (objectives.fast, objectives.medium, objectives.slow)
    return sorted({seconds for burn in burns for seconds in (burn.short_seconds, burn.long_seconds)})


def shortest(objectives: Objectives) -> int:
    """Return the shortest window, over which rates are taken; longer ones add these up."""
    return windows(objectives)[0]


def _share_name(kind: str, window: int) -> str:
    return f"{_NAME}_{kind}:ratio_rate{duration(window)}"


def _calls(objectives: Objectives, window: int, **labels: str | tuple[str, ...]) -> Vector:
    return total(rate(series_of(objectives.job, OPERATIONS, **labels), duration(window)), *LEVEL)


def _answered(objectives: Objectives, window: int) -> Vector:
    counted = series_of(objectives.job, DURATION, "_count", outcome=ANSWERED)
    return total(rate(counted, duration(window)), *LEVEL)


def _slow(objectives: Objectives, window: int) -> Vector:
    """Answered calls less those within the objective; the bucket's bound is written as it is exposed."""
    bound: str = floatToGoString(objectives.latency_seconds)  # type: ignore[no-untyped-call] # theirs
    fast = series_of(objectives.job, DURATION, "_bucket", outcome=ANSWERED, le=bound)
    within = total(rate(fast, duration(window)), *LEVEL)
    return Vector(f"{_answered(objectives, window).expr}\n-\n{within.expr}", within.labels)


def _share(part: Vector, whole: Vector, window: int, base: int) -> Vector:
    """Return a share of calls over a window.

    A rate over days reads every sample of every raw series each time; adding up what was recorded weighs the
    moments by their calls all the same, and reads two series.
    """
    return ratio(part, whole) if window == base else ratio(_added(part, window), _added(whole, window))


def _added(vector: Vector, window: int) -> Vector:
    return Vector(f"sum_over_time({vector.expr}[{duration(window)}])", vector.labels)
