"""The backend with all four middlewares around it, and faults inside of them."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from storescope import wrap
from storescope.apps.load._errors import LoadError
from storescope.apps.load._faults import FailingLog, Faults
from storescope.apps.load._policy import DEFAULT_REGION, write_policy
from storescope.backends import open_backend
from storescope.middleware import ResidencyPolicy, audit, instrument_drivers, metrics, region_guard, tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from storescope import Handlers
    from storescope.apps.load._home import Home


AUDIT_TIMEOUT_SECONDS = 10.0
"""How long a call waits for the audit log's disk: a busy one is to be seen as durations, and not to end calls."""

SEAL_SECONDS = 10.0
"""How often the audit log is sealed: a short run is to show seals, too."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What the sessions call.

    Attributes:
        handlers: The wrapped map.
        backend: The store, for people.
        region: Where its data rests.
        log: The audit log.
    """

    handlers: Handlers
    backend: str
    region: str
    log: FailingLog


@asynccontextmanager
async def opened(
    url: str, home: Home, registry: CollectorRegistry, provider: TracerProvider | None
) -> AsyncGenerator[Stack]:
    """Open it all; at the end the audit log is sealed.

    Args:
        url: The backend.
        home: Where the policy and the audit log are kept.
        registry: For the metrics.
        provider: Where spans go; None if nowhere.

    Raises:
        LoadError: If what is said of the backend's region does not agree, or the policy cannot be written.
        StorageError: If the backend or the audit log cannot be opened.
    """
    declared = await _declared_region(url)
    region = declared or DEFAULT_REGION
    policy = _policy(home, region)
    if provider is not None:
        instrument_drivers(tracer_provider=provider)
    # Before the backend is opened, which then tells what it counts, the zeros too.
    observers = (tracing(tracer_provider=provider), metrics(registry=registry, sizes=True))
    async with (
        open_backend(url, region=None if declared else region) as backend,
        FailingLog.open(
            home.audit, auditor=home.public_key, timeout=AUDIT_TIMEOUT_SECONDS, seal_seconds=SEAL_SECONDS
        ) as log,
    ):
        failing = cast("FailingLog", log)  # `open` makes what it is called on
        handlers = wrap(
            backend,
            *observers,
            audit(failing),
            region_guard(policy, caller_region=region),
            Faults(),
        )
        info = backend.info
        yield Stack(handlers, f"{info.system} {info.address or info.namespace}".strip(), region, failing)


async def _declared_region(url: str) -> str | None:
    """Return what the URL, the host's name or the store itself says of its region; None if nobody does."""
    async with open_backend(url) as backend:
        info = backend.info
    if info.region_confidence == "conflict":
        raise LoadError("what is said of the backend's region does not agree, so that every call would be denied")
    return info.region


def _policy(home: Home, region: str) -> ResidencyPolicy:
    try:
        write_policy(home.policy, region, time.time())
    except OSError as error:
        raise LoadError(f"{home.policy}: the policy cannot be written: {error.strerror}") from None
    return ResidencyPolicy.load(home.policy)
