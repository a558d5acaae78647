"""What users decide for themselves: how good their storage is to be, and how Prometheus calls its processes."""

from __future__ import annotations

from dataclasses import dataclass

from storescope.dashboards._errors import DashboardError
from storescope.middleware._definitions import DURATION_BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """The objectives of a service, and the job that Prometheus scrapes it under.

    Attributes:
        availability: The share of calls that must not end in an error, above 0 and below 1.
        latency_seconds: Within how many seconds a call is fast. It is the bound of a bucket of
            `agent_storage_operation_duration_seconds`: what lies between two bounds cannot be counted.
        latency_share: The share of the answered calls that must be fast, above 0 and below 1.
        job: The `job` label of the processes that use storescope; a regular expression, as `=~` takes it.

    Raises:
        DashboardError: If a share or the bound is none of these, or the job is empty.
    """

    availability: float = 0.999
    latency_seconds: float = 0.25
    latency_share: float = 0.99
    job: str = ".+"

    def __post_init__(self) -> None:
        for name in ("availability", "latency_share"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise DashboardError(f"{name} is {share}; it must be a share above 0 and below 1, such as 0.999")
        if self.latency_seconds not in DURATION_BUCKETS:
            known = ", ".join(f"{bound:g}" for bound in DURATION_BUCKETS)
            raise DashboardError(f"latency_seconds is {self.latency_seconds}; it must be one of {known}")
        if not self.job:
            raise DashboardError("job is empty; it must be the job label of your processes in Prometheus")
