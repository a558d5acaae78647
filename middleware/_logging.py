"""One configuration of structlog: trace and span ids from the context, UTC times, JSON or console, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import structlog
from opentelemetry.trace import get_current_span

from storescope.errors import WrapError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import Processor

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS = ("debug", "info", "warning", "error", "critical")


def add_trace_ids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the span in force, sampled or not; a line that names its own keeps them."""
    context = get_current_span().get_span_context()
    if context.is_valid and "trace_id" not in event:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def enriching() -> list[Processor]:
    """Return the processors that every line passes, whoever renders it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        add_trace_ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def configure_logging(*, json: bool = True, level: Level = "info") -> None:
    """Configure structlog for the process: the application's lines, and storescope's own.

    Each line has its level, the time in UTC as ISO 8601, what was bound to structlog's context variables and,
    inside a span, `trace_id` and `span_id`, also when the span is not sampled. Lines go to stderr. Calling it
    again replaces the configuration. An application that configured structlog itself needs none of this.

    Args:
        json: One JSON object a line; else coloured text for a terminal.
        level: The lowest level that is let through, `debug` to `critical`.

    Raises:
        WrapError: If `level` is none of structlog's.
    """
    if level not in _LEVELS:
        raise WrapError(f"configure_logging: level must be one of {', '.join(_LEVELS)}, not {level!r}")
    # The console shows tracebacks itself.
    rendering: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*enriching(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
