"""Multi-window burn-rate alerts for the objectives: availability and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._errors import DashboardError
from storescope.dashboards._queries import Vector
from storescope.dashboards._rule import Alert, Group, duration
from storescope.dashboards._rules_recording import recorded_share

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Burn, Objectives
    from storescope.dashboards._rule import Severity

_WHERE = "{{ $labels.job }} on {{ $labels.backend }}"
_SHARE = "{{ $value | humanizePercentage }}"


def budget_alerts(objectives: Objectives) -> Group:
    """Return three alerts for each objective.

    Raises:
        DashboardError: If one could never fire, because not even a total failure burns that fast.
    """
    speeds: tuple[tuple[str, Severity, Burn], ...] = (
        ("Fast", "page", objectives.fast),
        ("Medium", "page", objectives.medium),
        ("Slow", "ticket", objectives.slow),
    )
    alerts = [
        make(objectives, speed, severity, burn) for make in (_errors, _slow) for speed, severity, burn in speeds
    ]
    return Group("storescope-objectives", alerts)


def _errors(objectives: Objectives, speed: str, severity: Severity, burn: Burn) -> Alert:
    return Alert(
        name=f"AgentStorageErrorBudgetBurn{speed}",
        severity=severity,
        vector=burning("error", burn, "availability", objectives.availability),
        summary=f"Storage calls of {_WHERE} fail.",
        description=f"{_SHARE} of the calls of the last {duration(burn.long_seconds)} ended in an error. "
        f"This alerts at {burn.rate:g} times the budget of an objective of {objectives.availability * 100:g} %.",
    )


def _slow(objectives: Objectives, speed: str, severity: Severity, burn: Burn) -> Alert:
    return Alert(
        name=f"AgentStorageLatencyBudgetBurn{speed}",
        severity=severity,
        vector=burning("slow", burn, "latency_share", objectives.latency_share),
        summary=f"Storage calls of {_WHERE} are slow.",
        description=f"{_SHARE} of the calls of the last {duration(burn.long_seconds)} took longer than "
        f"{objectives.latency_seconds:g} s. This alerts at {burn.rate:g} times the budget of an objective of "
        f"{objectives.latency_share * 100:g} %.",
    )


def burning(kind: str, burn: Burn, name: str, objective: float) -> Vector:
    """Compare a share of calls with a speed, over the long and the short window.

    Raises:
        DashboardError: If the share would have to be more than all.
    """
    if burn.rate * (1 - objective) >= 1:
        raise DashboardError(
            f"an alert at {burn.rate:g} times the budget of {name} {objective:g} could never fire: not even a "
            f"total failure burns that fast; set a higher {name}, or a lower rate"
        )
    limit = f"{burn.rate:g} * (1 - {objective:g})"
    long, short = (recorded_share(kind, seconds) for seconds in (burn.long_seconds, burn.short_seconds))
    return Vector(f"{long.expr} > {limit}\nand\n{short.expr} > {limit}", long.labels)
