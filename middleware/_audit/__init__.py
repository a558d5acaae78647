"""The audit log: records, chain, streams, and the layer that writes them."""

from storescope.middleware._audit._layer import audit
from storescope.middleware._audit._sinks._opentelemetry_sink import OpenTelemetrySink
from storescope.middleware._audit._sinks._sink import AuditSink
from storescope.middleware._audit._sinks._structlog_sink import StructlogSink
from storescope.middleware._audit._writing._log import AuditLog

__all__ = ["AuditLog", "AuditSink", "OpenTelemetrySink", "StructlogSink", "audit"]
