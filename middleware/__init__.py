"""Tracing, metrics, audit log, region guard and time-out: layers that `wrap` puts around a handler map.

Each name is imported when it is first asked for: who only reads an audit log or a policy waits for no exporter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storescope.middleware._audit._layer import audit
    from storescope.middleware._audit._sinks._opentelemetry_sink import OpenTelemetrySink
    from storescope.middleware._audit._sinks._sink import AuditSink
    from storescope.middleware._audit._sinks._structlog_sink import StructlogSink
    from storescope.middleware._audit._writing._log import AuditLog
    from storescope.middleware._drivers import instrument_drivers
    from storescope.middleware._logging import configure_logging
    from storescope.middleware._metrics import metrics
    from storescope.middleware._region._decision import Decision
    from storescope.middleware._region._file import PolicyFile
    from storescope.middleware._region._guard import region_guard
    from storescope.middleware._region._moving._move import MoveRefusedError
    from storescope.middleware._region._moving._session import move_session
    from storescope.middleware._region._pins._registry import PinRegistry
    from storescope.middleware._region._policy import ResidencyPolicy
    from storescope.middleware._region._routing import route_by_region
    from storescope.middleware._timeout import timeout
    from storescope.middleware._tracing import tracing

_HOMES = {
    "AuditLog": "_audit._writing._log",
    "AuditSink": "_audit._sinks._sink",
    "Decision": "_region._decision",
    "MoveRefusedError": "_region._moving._move",
    "OpenTelemetrySink": "_audit._sinks._opentelemetry_sink",
    "PinRegistry": "_region._pins._registry",
    "PolicyFile": "_region._file",
    "ResidencyPolicy": "_region._policy",
    "StructlogSink": "_audit._sinks._structlog_sink",
    "audit": "_audit._layer",
    "configure_logging": "_logging",
    "instrument_drivers": "_drivers",
    "metrics": "_metrics",
    "move_session": "_region._moving._session",
    "region_guard": "_region._guard",
    "route_by_region": "_region._routing",
    "timeout": "_timeout",
    "tracing": "_tracing",
}
"""Where each name is, for the interpreter; type checkers read the imports above."""

__all__ = [
    "AuditLog",
    "AuditSink",
    "Decision",
    "MoveRefusedError",
    "OpenTelemetrySink",
    "PinRegistry",
    "PolicyFile",
    "ResidencyPolicy",
    "StructlogSink",
    "audit",
    "configure_logging",
    "instrument_drivers",
    "metrics",
    "move_session",
    "region_guard",
    "route_by_region",
    "timeout",
    "tracing",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
