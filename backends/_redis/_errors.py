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
    redis_errors.ClusterError,  # down, or a slot on its way between nodes
    redis_errors.RedisClusterException,  # a slot that no node has, as far as the client knows
)
_NEVER = (redis_errors.AuthenticationError, redis_errors.AuthorizationError)
_ANSWERS = (
    redis_errors.ResponseError,
    redis_errors.BusyLoadingError,
    redis_errors.ClusterError,
    redis_errors.RedisClusterException,
    *_NEVER,
)
# A primary that became a replica, or lost its own: only a new connection gets away from it. A slot without a node:
# only a new look at the cluster.
_STALE = (redis_errors.ReadOnlyError, redis_errors.MasterDownError, redis_errors.RedisClusterException)
DRIVER_ERRORS = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError)


def backend_error(what: str, error: Exception, *, applied: bool = False) -> BackendError:
    """Return the error to raise `from None`.

    Args:
        what: What could not be done.
        error: What redis-py, or the system under it, raised.
        applied: Whether the call may have written.
    """
    name = driver_error(error)
    retryable = isinstance(error, (*_RETRYABLE, OSError)) and not isinstance(error, _NEVER)
    return BackendError(
        f"redis: {what} ({name})",
        driver_error=name,
        retryable=retryable,
        maybe_applied=applied,
    )


def is_answer(error: Exception) -> bool:
    """Return whether the server refused the command, which then has done nothing."""
    return isinstance(error, _ANSWERS)


def is_stale(error: Exception) -> bool:
    """Return whether the connection is of no use any more, and others as old as it most likely neither."""
    return isinstance(error, _STALE) or not isinstance(error, _ANSWERS)


def driver_error(error: Exception) -> str:
    """Name the error by its class and, where the class says little, the server's code."""
    if not isinstance(error, redis_errors.RedisError | redis_errors.RedisClusterException):
        return type(error).__name__
    code = _CODE.match(str(error)) if type(error) is redis_errors.ResponseError else None
    return f"redis.{type(error).__name__}" + (f":{code[0]}" if code else "")


def check_size(size: int, limit: int) -> None:
    """Refuse what the server would refuse by closing the connection.

    Raises:
        RecordTooLargeError: If it is above the server's `proto-max-bulk-len`.
    """
    if size > limit:
        raise RecordTooLargeError("the record is larger than this Redis server takes (proto-max-bulk-len)")
