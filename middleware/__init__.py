"""Tracing, metrics, audit log, region guard and time-out: layers that `wrap` puts around a handler map."""

from storescope.middleware._audit import AuditLog, audit
from storescope.middleware._drivers import instrument_drivers
from storescope.middleware._metrics import metrics
from storescope.middleware._region import Decision, PolicyFile, ResidencyPolicy, region_guard
from storescope.middleware._timeout import timeout
from storescope.middleware._tracing import tracing

__all__ = [
    "AuditLog",
    "Decision",
    "PolicyFile",
    "ResidencyPolicy",
    "audit",
    "instrument_drivers",
    "metrics",
    "region_guard",
    "timeout",
    "tracing",
]
