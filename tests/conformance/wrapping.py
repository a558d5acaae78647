"""The ways in which the backends are wrapped before the suite runs on them; other processes load this file too."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import (
    AuditLog,
    audit,
    metrics,
    region_guard,
    timeout,
    tracing,
)
from tests.policies import EU_ONLY, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope import Handlers, Middleware

ALL = ("tracing", "metrics", "audit", "timeout", "region_guard")
WRAPPERS: dict[str, tuple[str, ...]] = {"bare": (), **{name: (name,) for name in ALL}, "all": ALL}


def layers(names: tuple[str, ...], log: AuditLog) -> list[Middleware]:
    made: dict[str, Middleware] = {
        "tracing": tracing(tracer_provider=TracerProvider()),
        "metrics": metrics(registry=CollectorRegistry()),
        "audit": audit(log),
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
