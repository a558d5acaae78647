"""The audit log: records, chain, streams, and the layer that writes them."""

from storescope.middleware._audit._layer import audit
from storescope.middleware._audit._log import AuditLog
from storescope.middleware._audit._opentelemetry_sink import OpenTelemetrySink
from storescope.middleware._audit._sink import AuditSink
from storescope.middleware._audit._structlog_sink import StructlogSink

__all__ = ["AuditLog", "AuditSink", "OpenTelemetrySink", "StructlogSink", "audit"]
