"""Tracing, metrics, audit log, region guard and time-out: layers that `wrap` puts around a handler map."""

from storescope.middleware._audit import AuditLog, AuditSink, OpenTelemetrySink, StructlogSink, audit
from storescope.middleware._drivers import instrument_drivers
from storescope.middleware._logging import configure_logging
from storescope.middleware._metrics import metrics
from storescope.middleware._region import (
    Decision,
    MoveRefusedError,
    PinRegistry,
    PolicyFile,
    ResidencyPolicy,
    move_session,
    region_guard,
    route_by_region,
)
from storescope.middleware._timeout import timeout
from storescope.middleware._tracing import tracing

__all__ = [
    "AuditLog",
    "AuditSink",
    "Decision",
    "MoveRefusedError",
    "OpenTelemetrySink",
    "PinRegistry",
    "PolicyFile",
    "ResidencyPolicy",
    "StructlogSink",
    "audit",
    "configure_logging",
    "instrument_drivers",
    "metrics",
    "move_session",
    "region_guard",
    "route_by_region",
    "timeout",
    "tracing",
]
