"""What users decide for themselves: how good their storage is to be, and how Prometheus calls its processes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from storescope.dashboards._errors import DashboardError
from storescope.middleware._definitions import DURATION_BUCKETS

MINUTE, HOUR, DAY = 60, 3_600, 86_400
GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Burn:
    """A speed at which an error budget burns, and the two windows that it must burn in to alert.

    The long window says that it matters, the short one that it has not stopped since.

    Attributes:
        rate: How many times faster than a budget that lasts to the end of its period, above 0.
        long_seconds: The long window, in whole seconds.
        short_seconds: The short window, in whole seconds, not longer than the other.

    Raises:
        DashboardError: If one of these is not as it must be.
    """

    rate: float
    long_seconds: int
    short_seconds: int

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf or not 0 < self.short_seconds <= self.long_seconds:
            raise DashboardError(
                f"{self} is no burn rate; its rate must be above 0, and its windows above 0, the long one first"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """The objectives of a service, and the job that Prometheus scrapes it under.

    Attributes:
        availability: The share of calls that must not end in an error, above 0 and below 1.
        latency_seconds: Within how many seconds a call is fast. It is the bound of a bucket of
            `agent_storage_operation_duration_seconds`: what lies between two bounds cannot be counted.
        latency_share: The share of the answered calls that must be fast, above 0 and below 1.
        job: The `job` label of the processes that use storescope; a regular expression, as `=~` takes it.
        fast: The burn that pages at once. It and the next two are those of Google's SRE workbook, chapter 5
            "Alerting on SLOs", table 5-8, for an objective over 30 days.
        medium: The burn that pages a little later.
        slow: The burn that opens a ticket.
        window_seconds: How far back the other alerts look; four scrapes at least.
        hold_seconds: How long a condition must hold before it alerts, 0 for at once.
        tamper_seconds: How long an audit log that was tampered with alerts: it is found once, and has no end.
        remember_seconds: How long a process that is gone still counts as one of ours.
        denied_share: The share of residency decisions that may be denials, above 0 and below 1.
        denied_calls: How many denials in a window are no spike, however few the calls.
        unaudited_share: The share of calls that may lack an audit record, for calls that a scrape cuts in two.
        audit_free_bytes: Less than this free for the audit log is too little.
        audit_trend_seconds: How far back one looks to see where its disk is going.
        audit_full_seconds: A disk that will be full sooner than this alerts.
        seal_seconds: The age of the last seal that is too old; several times the `seal_seconds` of the audit log.
        exception_seconds: How long before its end an exception of the policy alerts.
        runbooks: The address of the page with the runbooks, where your people can open it; each alert's
            `runbook_url` adds its own anchor.

    Raises:
        DashboardError: If a share or the bound is none of these, or the job is empty.
    """

    availability: float = 0.999
    latency_seconds: float = 0.25
    latency_share: float = 0.99
    job: str = ".+"
    fast: Burn = Burn(14.4, HOUR, 5 * MINUTE)
    medium: Burn = Burn(6, 6 * HOUR, 30 * MINUTE)
    slow: Burn = Burn(1, 3 * DAY, 6 * HOUR)
    window_seconds: int = 5 * MINUTE
    hold_seconds: int = 2 * MINUTE
    tamper_seconds: int = DAY
    remember_seconds: int = DAY
    denied_share: float = 0.05
    denied_calls: int = 10
    unaudited_share: float = 0.01
    audit_free_bytes: int = GIBIBYTE
    audit_trend_seconds: int = 6 * HOUR
    audit_full_seconds: int = DAY
    seal_seconds: int = 5 * MINUTE
    exception_seconds: int = 7 * DAY
    runbooks: str = "docs/operate/runbooks.md"

    def __post_init__(self) -> None:
        for name in ("availability", "latency_share", "denied_share", "unaudited_share"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise DashboardError(f"{name} is {share}; it must be a share above 0 and below 1, such as 0.999")
        if self.latency_seconds not in DURATION_BUCKETS:
            known = ", ".join(f"{bound:g}" for bound in DURATION_BUCKETS)
            raise DashboardError(f"latency_seconds is {self.latency_seconds}; it must be one of {known}")
        if not self.job:
            raise DashboardError("job is empty; it must be the job label of your processes in Prometheus")
        for name in _SECONDS:
            if getattr(self, name) <= 0:
                raise DashboardError(f"{name} is {getattr(self, name)}; it must be whole seconds above 0")
        for name in ("hold_seconds", "denied_calls", "audit_free_bytes"):
            if getattr(self, name) < 0:
                raise DashboardError(f"{name} is {getattr(self, name)}; it must be 0 or more")


_SECONDS = (
    *("window_seconds", "tamper_seconds", "remember_seconds", "audit_trend_seconds"),
    *("audit_full_seconds", "seal_seconds", "exception_seconds"),
)
