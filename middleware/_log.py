"""storescope's own log lines, through structlog."""

from __future__ import annotations

import logging
import time
from typing import Any

import structlog

from storescope.middleware._logging import enriching

# Without a configuration structlog prints to stdout, which belongs to the application; the standard library's
# logging shows warnings on stderr and leaves the rest to whoever configures it.
_UNCONFIGURED: Any = structlog.wrap_logger(
    logging.getLogger("storescope"),
    processors=[
        structlog.stdlib.filter_by_level,
        *enriching(),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)

_QUIET_SECONDS = 60.0
_last_reported: dict[tuple[str | None, ...], float] = {}


def logger() -> Any:
    """Return the application's structlog logger if structlog is configured, else one on stdlib logging."""
    return structlog.get_logger("storescope") if structlog.is_configured() else _UNCONFIGURED


def tell(level: str, event: str, **values: Any) -> None:
    """Log a line; logging is telemetry too: it must not break what is told of."""
    try:
        getattr(logger(), level)(event, **values)
    except Exception:
        return


def telemetry_failed(layer: str, error: Exception) -> None:
    """Log that a layer's telemetry failed; the call goes on.

    Each layer and class of error is reported at most once a minute. The error's text stays out: it is not ours.
    """
    tell_seldom("warning", "storescope.telemetry_failed", layer=layer, error_type=type(error).__qualname__)


def tell_seldom(level: str, event: str, **values: str | None) -> None:
    """Log a line, but the same one at most once a minute."""
    line = (event, *values.values())
    now = time.monotonic()
    if now - _last_reported.get(line, -_QUIET_SECONDS) < _QUIET_SECONDS:
        return
    _last_reported[line] = now
    tell(level, event, **values)
