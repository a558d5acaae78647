"""What the dashboards measure, said once: calls, the shares of their outcomes, latency, and their limits."""

from __future__ import annotations

from storescope.dashboards._queries import INTERVAL, Vector, quantile, rate, ratio, series, total
from storescope.middleware._definitions import DURATION, OPERATIONS

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
