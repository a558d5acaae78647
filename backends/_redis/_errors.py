"""redis-py's errors as ours: by class and code, never by text, which may hold keys and values."""

from __future__ import annotations

import re

from redis import exceptions as redis_errors

from storescope import BackendError, RecordTooLargeError

_CODE = re.compile(r"[A-Z]{2,16}\b")
_RETRYABLE = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
)
_NEVER = (redis_errors.AuthenticationError, redis_errors.AuthorizationError)


def backend_error(what: str, error: redis_errors.RedisError) -> BackendError:
    """Return the error to raise `from None`."""
    name = driver_error(error)
    retryable = isinstance(error, _RETRYABLE) and not isinstance(error, _NEVER)
    return BackendError(f"redis: {what} ({name})", driver_error=name, retryable=retryable)


def driver_error(error: redis_errors.RedisError) -> str:
    """Name the error by its class and, where the class says little, the server's code."""
    code = _CODE.match(str(error)) if type(error) is redis_errors.ResponseError else None
    return f"redis.{type(error).__name__}" + (f":{code[0]}" if code else "")


def check_size(size: int, limit: int) -> None:
    """Refuse what the server would refuse by closing the connection.

    Raises:
        RecordTooLargeError: If it is above the server's `proto-max-bulk-len`.
    """
    if size > limit:
        raise RecordTooLargeError("the record is larger than this Redis server takes (proto-max-bulk-len)")
