"""Every metric, once: name, kind, labels, buckets and help.

The middleware creates its collectors from these, the dashboards build their queries from them, and the
reference page is checked against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As it is exposed; a counter's ends in `_total`, a histogram's stands without its suffixes.
        kind: What prometheus-client type it is; `info` is a gauge that is always 1.
        help: One sentence.
        labels: The names of its labels, in order.
        buckets: A histogram's upper bounds, in the metric's unit.
        across_processes: How a gauge is joined from several processes in prometheus-client's multi-process mode.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across_processes: Literal["livesum", "livemax", "livemin", "max"] = "livesum"


_CALL = ("operation", "backend", "region")

# The stable buckets of db.client.operation.duration start at 1 ms, which is too coarse for Redis on a good
# network (115 us a GET), so these start at 50 us and then follow the convention's 1-2.5-5 steps to 10 s.
DURATION_BUCKETS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

OPERATIONS = Metric(
    "agent_storage_operations_total",
    "counter",
    "Storage operations that ended, by how.",
    (*_CALL, "outcome"),
)
DURATION = Metric(
    "agent_storage_operation_duration_seconds",
    "histogram",
    "How long storage operations took.",
    (*_CALL, "outcome"),
    DURATION_BUCKETS,
)
BACKEND_DURATION = Metric(
    "agent_storage_backend_duration_seconds",
    "histogram",
    "How long the backend's own handlers took, without the layers around them, by the operation they served.",
    _CALL,
    DURATION_BUCKETS,
)
IN_FLIGHT = Metric(
    "agent_storage_operations_in_flight", "gauge", "Storage operations that have begun and not ended.", _CALL
)
ERRORS = Metric(
    "agent_storage_errors_total",
    "counter",
    "Storage operations that raised, by the error's class or the driver's code.",
    (*_CALL, "error_type"),
)
LISTED = Metric(
    "agent_storage_listed_records",
    "histogram",
    "Records that one listBySession returned.",
    _CALL,
    (0, 1, 10, 50, 100, 500, 1_000, 5_000, 10_000),
)
RECORD_BYTES = Metric(
    "agent_storage_record_bytes",
    "histogram",
    "Size of the records that were written or read one by one, as JSON.",
    _CALL,
    (64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 8_388_608),
)
REPLAYED = Metric(
    "agent_storage_replayed_total",
    "counter",
    "Storage operations that a workflow engine answered from its log, without a call.",
    ("operation",),
)
_BACKEND = ("backend", "region")
RETRIES = Metric(
    "agent_storage_backend_retries_total",
    "counter",
    "Reads that a backend sent again, because their connection failed.",
    _BACKEND,
)
UPDATE_CONFLICTS = Metric(
    "agent_storage_update_conflicts_total",
    "counter",
    "Updates that found their record changed by another writer between reading and writing it; none is lost.",
    _BACKEND,
)
CONNECTIONS_OPEN = Metric(
    "agent_storage_connections_open", "gauge", "Connections to the store that are open.", _BACKEND
)
CONNECTIONS_WAITING = Metric(
    "agent_storage_connections_waiting", "gauge", "Calls that wait for a free connection.", _BACKEND
)
DECISIONS = Metric(
    "agent_storage_residency_decisions_total",
    "counter",
    "Residency decisions, by what was decided and why.",
    ("decision", "code", "rule", "backend_region"),
)
FLOWS = Metric(
    "agent_storage_residency_flows_total",
    "counter",
    "Residency decisions, by where the call came from and where the data rests.",
    ("decision", "caller_region", "backend_region"),
)
POLICY_INFO = Metric(
    "agent_storage_residency_policy_info",
    "gauge",
    "Always 1; the residency policy in force.",
    ("version", "digest"),
    across_processes="livemax",
)
RELOAD_FAILURES = Metric(
    "agent_storage_residency_policy_reload_failures_total",
    "counter",
    "New residency policies that were refused or could not be read; the one before stays in force.",
)
EXCEPTION_EXPIRY = Metric(
    "agent_storage_residency_exception_expiry_timestamp_seconds",
    "gauge",
    "When an exception of the residency policy in force ends, in seconds since 1970.",
    ("exception",),
    across_processes="livemin",
)
AUDIT_RECORDS = Metric(
    "agent_storage_audit_records_total", "counter", "Records written to the audit log.", ("phase",)
)
AUDIT_FAILURES = Metric(
    "agent_storage_audit_failures_total", "counter", "Audit records that could not be written.", ("reason",)
)
UNAUDITED = Metric(
    "agent_storage_unaudited_total",
    "counter",
    "Storage operations that ended without a record of it, because the audit log could not take it.",
    _CALL,
)
AUDIT_WAIT = Metric(
    "agent_storage_audit_wait_seconds",
    "histogram",
    "How long calls waited for their audit record to reach the disk.",
    (),
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
AUDIT_LAST_SEAL = Metric(
    "agent_storage_audit_last_seal_timestamp_seconds",
    "gauge",
    "When the audit log was last sealed, in seconds since 1970; 0 before the first seal.",
    across_processes="livemax",
)
AUDIT_DISK_FREE = Metric(
    "agent_storage_audit_disk_free_bytes",
    "gauge",
    "Free space where the audit log lies; NaN if unknown.",
    across_processes="livemin",
)
BUILD_INFO = Metric(
    "agent_storage_build_info",
    "gauge",
    "Always 1; the version of storescope.",
    ("version",),
    across_processes="max",
)

METRICS = (
    OPERATIONS,
    DURATION,
    BACKEND_DURATION,
    IN_FLIGHT,
    ERRORS,
    LISTED,
    RECORD_BYTES,
    REPLAYED,
    RETRIES,
    UPDATE_CONFLICTS,
    CONNECTIONS_OPEN,
    CONNECTIONS_WAITING,
    DECISIONS,
    FLOWS,
    POLICY_INFO,
    RELOAD_FAILURES,
    EXCEPTION_EXPIRY,
    AUDIT_RECORDS,
    AUDIT_FAILURES,
    UNAUDITED,
    AUDIT_WAIT,
    AUDIT_LAST_SEAL,
    AUDIT_DISK_FREE,
    BUILD_INFO,
)
"""Everything that storescope exposes."""
