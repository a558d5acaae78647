"""asyncpg's errors as ours: by class and SQLSTATE, never by text, which holds row values."""

from __future__ import annotations

import asyncpg

from storescope import BackendError

_RETRYABLE = ("08", "25006", "40", "53", "55P03", "57")  # classes of SQLSTATE, or whole codes
# Connection failures, a server that shuts down, and one that ends a session which was silent for too long.
_LOST = ("08", "25P03", "57P01", "57P02", "57P03", "57P05")
_STALE = (*_LOST, "25006")  # and a primary that became a replica, which only a new connection gets away from
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def backend_error(what: str, error: Exception, *, sent: bool = False) -> BackendError:
    """Return the error to raise `from None`.

    Args:
        what: What could not be done.
        error: What asyncpg, or the system under it, raised.
        sent: Whether a write was on its way, so that its fate is unknown if the connection failed.
    """
    name = driver_error(error)
    lost = is_lost(error)
    return BackendError(
        f"postgresql: {what} ({name})",
        driver_error=name,
        retryable=lost or _sqlstate(error).startswith(_RETRYABLE),
        maybe_applied=sent and lost,
    )


def is_lost(error: Exception) -> bool:
    """Return whether the connection failed, and the server did not answer."""
    return _is_local(error) or _sqlstate(error).startswith(_LOST)


def is_stale(error: Exception) -> bool:
    """Return whether the connection is of no use any more, and others as old as it most likely neither."""
    return _is_local(error) or _sqlstate(error).startswith(_STALE)


def _is_local(error: Exception) -> bool:
    return isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)


def driver_error(error: Exception) -> str:
    """Name the error by its class and the server's code."""
    module = "asyncpg." if type(error).__module__.startswith("asyncpg.") else ""
    code = _sqlstate(error)
    return f"{module}{type(error).__name__}" + (f":{code}" if code else "")


def _sqlstate(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or ""
