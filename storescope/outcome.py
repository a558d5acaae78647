"""One outcome per call, worked out once and shared by span, metric and audit record."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storescope.errors import (
    BackendError,
    RecordNotFoundError,
    ResidencyError,
    StorageError,
    StorageTimeoutError,
    TenantRequiredError,
)

if TYPE_CHECKING:
    from storescope.call import Call

OUTCOMES = ("ok", "not_found", "denied", "error", "cancelled")
"""Every outcome that a call can have."""


class Failure(NamedTuple):
    """What an exception means to an observer.

    Attributes:
        outcome: One of `OUTCOMES`, not `ok`.
        error_type: The error's class, or a driver's class and code. Never any of its text.
        is_error: Whether it marks the span as failed.
    """

    outcome: str
    error_type: str
    is_error: bool


def failure_of(call: Call, error: BaseException) -> Failure:
    """Classify the exception that ends `call`. Layers that see the same exception share the answer."""
    seen = call.failure
    if seen is not None and seen[0] is error:
        return seen[1]
    failure = _classify(call, error)
    call.failure = (error, failure)
    return failure


def _classify(call: Call, error: BaseException) -> Failure:
    from asyncio import CancelledError  # noqa: PLC0415 (half of what `import storescope` took)

    if isinstance(error, CancelledError):
        if call.deadline is not None and call.deadline.expired():
            return Failure("error", StorageTimeoutError.__name__, is_error=True)
        return Failure("cancelled", "CancelledError", is_error=False)
    if isinstance(error, GeneratorExit):  # the loop was closed under the call
        return Failure("cancelled", "GeneratorExit", is_error=False)
    error_type = _error_type(error)
    if isinstance(error, RecordNotFoundError) and call.operation.verb == "update":
        return Failure("not_found", error_type, is_error=False)
    if isinstance(error, ResidencyError | TenantRequiredError):
        return Failure("denied", error_type, is_error=True)
    return Failure("error", error_type, is_error=True)


def _error_type(error: BaseException) -> str:
    """Name the error as OpenTelemetry's `error.type` asks: a class or a code, of low cardinality."""
    if isinstance(error, BackendError) and error.driver_error:
        return error.driver_error
    cls = type(error)
    if isinstance(error, StorageError) or cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"
