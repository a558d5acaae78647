"""What the dashboards measure, said once: calls, the shares of their outcomes, latency, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._queries import INTERVAL, Vector, less, quantile, rate, ratio, series, total
from storescope.middleware._definitions import BACKEND_DURATION, DECISIONS, DURATION, OPERATIONS

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

# The budget is spent by `error` alone: a missing record is an answer, a cancelled call was the caller's wish.
ERROR_STEPS = ((0.001, "orange"), (0.01, "red"))
CANCELLED_STEPS = ((0.05, "orange"), (0.2, "red"))
DENIED_STEPS = ((0.001, "orange"), (0.1, "red"))
BUDGET_STEPS = ((0.0, "orange"), (0.25, "green"))

# A refused call never reached the store, a cancelled one says how patient its caller was; a time-out counts.
ANSWERED = ("ok", "not_found", "error")
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def calls(*by: str, outcome: str | None = None, window: str = INTERVAL) -> Vector:
    """Calls per second."""
    chosen = series(OPERATIONS) if outcome is None else series(OPERATIONS, outcome=outcome)
    return total(rate(chosen, window), *by)


def share(outcome: str, *by: str, window: str = INTERVAL) -> Vector:
    """The share of all calls that ended with `outcome`."""
    return ratio(calls(*by, outcome=outcome, window=window), calls(*by, window=window))


def latency(level: float, *by: str, window: str = INTERVAL) -> Vector:
    """A quantile of how long the store took."""
    return quantile(level, rate(series(DURATION, "_bucket", outcome=ANSWERED), window), *by)


def handler_latency(level: float, *by: str, window: str = INTERVAL) -> Vector:
    """A quantile of how long the backend's own handlers took."""
    return quantile(level, rate(series(BACKEND_DURATION, "_bucket"), window), *by)


def handler_seconds(*by: str, window: str = INTERVAL) -> Vector:
    """Mean seconds that a call spent in the backend's own handlers."""
    return ratio(_spent_below(*by, window=window), calls(*by, window=window))


def layers_seconds(*by: str, window: str = INTERVAL) -> Vector:
    """Mean seconds that a call spent in the layers around them."""
    spent = total(rate(series(DURATION, "_sum"), window), *by)
    return ratio(less(spent, _spent_below(*by, window=window)), calls(*by, window=window))


def _spent_below(*by: str, window: str) -> Vector:
    return total(rate(series(BACKEND_DURATION, "_sum"), window), *by)


def decided(decision: str | None, *by: str) -> Vector:
    """Residency decisions per second, all or of one kind."""
    chosen = series(DECISIONS) if decision is None else series(DECISIONS, decision=decision)
    return total(rate(chosen), *by)


def latency_steps(objectives: Objectives) -> tuple[tuple[float, str], ...]:
    """Colour what is slower than the objective."""
    return ((objectives.latency_seconds, "red"),)
