"""Observability-first middleware for the storage of AI agents."""

from storescope.call import BackendInfo, Call, Middleware, Step
from storescope.client import StorageClient
from storescope.compose import wrap
from storescope.context import CallContext, call_context, current_context
from storescope.contract import OPERATIONS, Handler, Handlers, Operation
from storescope.errors import (
    AuditError,
    BackendError,
    IndexConflictError,
    InvalidRecordError,
    MissingExtraError,
    PolicyError,
    RecordNotFoundError,
    RecordTooLargeError,
    ResidencyError,
    StorageError,
    StorageTimeoutError,
    TenantRequiredError,
    UnsupportedOperationError,
    VersionConflictError,
    WrapError,
)
from storescope.records import Message, Part, Sandbox, Session, Setup
from storescope.store import Store

__all__ = [
    "OPERATIONS",
    "AuditError",
    "BackendError",
    "BackendInfo",
    "Call",
    "CallContext",
    "Handler",
    "Handlers",
    "IndexConflictError",
    "InvalidRecordError",
    "Message",
    "Middleware",
    "MissingExtraError",
    "Operation",
    "Part",
    "PolicyError",
    "RecordNotFoundError",
    "RecordTooLargeError",
    "ResidencyError",
    "Sandbox",
    "Session",
    "Setup",
    "Step",
    "StorageClient",
    "StorageError",
    "StorageTimeoutError",
    "Store",
    "TenantRequiredError",
    "UnsupportedOperationError",
    "VersionConflictError",
    "WrapError",
    "call_context",
    "current_context",
    "wrap",
]
