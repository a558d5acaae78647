"""Audit records as lines of a structlog logger."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from storescope.errors import AuditError, WrapError
from storescope.middleware._audit._sinks._fields import fields_of
from storescope.middleware._log import logger as own_logger

EVENT = "storescope.audit"
Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class StructlogSink:
    """Logs each audit record as one line, the event `storescope.audit` with the record's fields as its keys.

    Fields that are null are left out. What the logger was handed counts as taken: what its processors drop, or its
    handlers lose, is lost. A level that the logger does not let through is an `AuditError`.

    Args:
        logger: A synchronous structlog logger. If left out, the application's, once structlog is configured; else
            the standard library's logger `storescope`.
        level: The lines' level, `debug` to `critical`.
        region: Where the lines are kept, `aws:eu-west-1`, for a residency policy with `telemetry` rules.

    Attributes:
        region: Where the lines are kept.

    Raises:
        WrapError: If `level` is none of structlog's.
    """

    def __init__(self, logger: Any = None, *, level: Level = "info", region: str | None = None) -> None:
        if level not in _LEVELS:
            raise WrapError(f"StructlogSink: level must be one of {', '.join(_LEVELS)}, not {level!r}")
        self.region = region
        self._logger = logger
        self._level = level

    def put(self, phase: str, text: str, *, durable: bool) -> None:
        """Log one record.

        Args:
            phase: `intent` or `outcome`; the text says it too.
            text: Its JSON from `phase` on.
            durable: Makes no difference: a line is as safe as the application's logging makes it.

        Raises:
            AuditError: If the logger raised, or is set to a higher level.
        """
        del phase, durable
        try:
            logger = own_logger() if self._logger is None else self._logger
            taken = _lets_through(logger, _LEVELS[self._level])
            if taken:
                getattr(logger, self._level)(EVENT, **fields_of(text))
        except Exception as error:  # the text of it is not ours
            raise AuditError(f"the structlog logger failed: {type(error).__qualname__}") from None
        if not taken:
            raise AuditError(f"the structlog logger lets no line of level {self._level} through")


def _lets_through(logger: Any, level: int) -> bool:
    asked = getattr(logger, "is_enabled_for", None)  # the loggers that filter have it
    return asked is None or bool(asked(level))
