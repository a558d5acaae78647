"""The ways in which the backends are wrapped before the suite runs on them; other processes load this file too."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import (
    AuditLog,
    OpenTelemetrySink,
    PinRegistry,
    StructlogSink,
    audit,
    metrics,
    region_guard,
    route_by_region,
    timeout,
    tracing,
)
from tests.audit.sinks import Slow
from tests.policies import EU_ONLY, FORBIDDEN, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope import Handlers, Middleware
    from storescope.middleware import AuditSink

ALL = ("tracing", "metrics", "audit", "timeout", "region_guard")
ALONE = (*ALL, "audit, several sinks")
WRAPPERS: dict[str, tuple[str, ...]] = {"bare": (), **{name: (name,) for name in ALONE}, "all": ALL}
PINNED = ("guard with pins", "router")


def other_sinks() -> list[AuditSink]:
    """Return one sink of each kind beside the log: they answer at once, or must be waited for together."""
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # the SDK's own
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])
    return [StructlogSink(logger), OpenTelemetrySink(provider), Slow(0), Slow(0)]


def layers(names: tuple[str, ...], log: AuditLog) -> list[Middleware]:
    made: dict[str, Middleware] = {
        "tracing": tracing(tracer_provider=TracerProvider()),
        "metrics": metrics(registry=CollectorRegistry()),
        "audit": audit(log),
        "audit, several sinks": audit(log, *other_sinks()),
        "timeout": timeout(60),
        "region_guard": region_guard(EU_ONLY),
    }
    return [made[name] for name in names]


@asynccontextmanager
async def open_wrapped(url: str, wrapper: str) -> AsyncGenerator[Handlers]:
    """Open a backend, wrapped: in the test, and in the processes that share its store."""
    with tempfile.TemporaryDirectory() as folder, call_context(tenant="acme", region=REGION):
        async with (
            open_backend(url, region=REGION) as backend,
            AuditLog.open(Path(folder) / "audit", durability="none") as log,
        ):
            yield wrap(backend, *layers(WRAPPERS[wrapper], log))


@asynccontextmanager
async def open_pinned(url: str, wrapper: str, registry: str) -> AsyncGenerator[Handlers]:
    """Open a backend behind a guard that pins, or as one of a router's two, whose other one must stay empty."""
    with call_context(tenant="acme", region=REGION):
        async with (
            open_backend(url, region=REGION) as backend,
            open_backend("memory:", region=FORBIDDEN) as other,
            await PinRegistry.open(registry, lease_seconds=2, settle_seconds=1) as pins,
        ):
            if wrapper == "router":
                yield wrap(route_by_region({REGION: backend, FORBIDDEN: other}, EU_ONLY, pins=pins))
            else:
                yield wrap(backend, region_guard(EU_ONLY, pins=pins))
            for entity in ("session", "message", "part", "sandbox", "setup"):
                assert not (await other.admin.scan(entity)).records
