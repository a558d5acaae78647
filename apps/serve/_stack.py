"""The backend with the middlewares around it, and what is asked about their health."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from storescope import call_context, wrap
from storescope.apps.serve._options import ServeError
from storescope.backends import open_backend
from storescope.middleware import (
    AuditLog,
    PolicyFile,
    audit,
    instrument_drivers,
    metrics,
    region_guard,
    timeout,
    tracing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope import BackendInfo, Handlers, Middleware
    from storescope.apps.serve._options import ServeOptions
    from storescope.backends import Backend

_PROBE_SECONDS = 2.0
_PROBE_ID = "storescope-readyz"  # no record: it only has to be answered


@dataclass(frozen=True, slots=True)
class Stack:
    """What a bridge serves.

    Attributes:
        handlers: The wrapped map.
        backend: What it stores to.
        log: The audit log, if there is one.
        policy: The policy in force, if there is one.
    """

    handlers: Handlers
    backend: Backend
    log: AuditLog | None
    policy: PolicyFile | None

    @property
    def info(self) -> BackendInfo:
        """What is known of the backend."""
        return self.backend.info

    async def backend_fault(self) -> str | None:
        """Return why the backend does not answer, by class; None if it does. No middleware sees the call."""
        try:
            with call_context(tenant=_PROBE_ID):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self.backend["session.get"](id=_PROBE_ID)
        except Exception as error:
            return f"{type(error).__name__}"
        return None

    def audit_fault(self) -> str | None:
        """Return why calls cannot be logged; None if they can, or need not be."""
        return None if self.log is None else self.log.fault()

    def policy_state(self) -> str:
        """Say which policy decides. A file that is wrong changes nothing: the policy before it decides."""
        if self.policy is None:
            return "none"
        version = f"version {self.policy.current.version} in force"
        return f"{version}; the file is refused" if self.policy.refused else version


@asynccontextmanager
async def opened(options: ServeOptions) -> AsyncGenerator[Stack]:
    """Open it all; at the end the audit log is sealed.

    Raises:
        StorageError: If the backend, the policy or the audit log cannot be opened.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        instrument_drivers(tracer_provider=provider)
    async with AsyncExitStack() as stack:
        # Before the backend is opened, which then tells what it counts, the zeros too.
        layers: list[Middleware] = [tracing(), metrics()]
        backend = await stack.enter_async_context(open_backend(options.backend, region=options.region))
        log = policy = None
        if options.audit is not None:
            log = await stack.enter_async_context(AuditLog.open(options.audit, auditor=options.auditor))
            layers.append(audit(log))
        layers.append(timeout(options.seconds))
        if options.policy is not None:
            policy = stack.enter_context(PolicyFile(options.policy, check_every=1.0))
            layers.append(region_guard(policy))
        yield Stack(wrap(backend, *layers), backend, log, policy)


def check(options: ServeOptions) -> None:
    """Refuse what cannot go together.

    Raises:
        ServeError: If several processes would each have a store of their own.
    """
    if options.workers > 1 and options.backend.lower().startswith("memory:"):
        raise ServeError("memory: lives in one process: with --workers each would have a store of its own")
