"""The audit log: records, chain, streams, and the layer that writes them."""

from storescope.middleware._audit._layer import audit
from storescope.middleware._audit._log import AuditLog

__all__ = ["AuditLog", "audit"]
