"""Drivers instrumented for a while, and what their spans may say."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from storescope.middleware import instrument_drivers
from storescope.middleware._drivers import _instrumentor
from storescope.middleware._drivers._kinds import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

STABLE = {
    *("db.system.name", "db.operation.name", "db.namespace", "db.collection.name", "db.operation.batch.size"),
    *(
        "db.response.status_code",
        "server.address",
        "server.port",
        "network.transport",
        "cloud.region",
        "error.type",
    ),
}


@contextmanager
def instrumented(provider: TracerProvider, *names: str) -> Generator[tuple[str, ...]]:
    """Instrument the drivers, and take that back at the end: it is the whole process's."""
    try:
        yield instrument_drivers(*names, tracer_provider=provider)
    finally:
        uninstrument()


def uninstrument() -> None:
    """Take back what `instrument_drivers` did."""
    for driver in DRIVERS.values():
        for _, name in driver.instrumentors:
            each = _instrumentor(driver, name)
            if each.is_instrumented_by_opentelemetry:
                each.uninstrument()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})
