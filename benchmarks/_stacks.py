"""What the benchmarks compare: bare handlers, stacks of middleware, the inlined function."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, TraceIdRatioBased
from prometheus_client import CollectorRegistry

from benchmarks._inlined import inlined_session_get
from storescope import BackendInfo, wrap
from storescope.middleware import AuditLog, ResidencyPolicy, audit, metrics, region_guard, tracing
from storescope.middleware._region._engine import Question, decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from storescope import Handlers, Middleware
    from storescope.middleware import Decision

REGION = "aws:eu-west-1"
BACKEND = BackendInfo(system="memory", region=REGION)
POLICY = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {"eu": [REGION]},
        "tenants": {"acme": "eu-only"},
        "rules": {"eu-only": {"store": ["eu"], "access": ["eu"], "home": REGION}},
    }
)
SAMPLERS: dict[str, Sampler] = {
    "sampled": ALWAYS_ON,
    "unsampled": ALWAYS_OFF,
    "1 % sampled": TraceIdRatioBased(0.01),
}
LAYERS = ("tracing", "metrics", "audit", "region_guard")


async def bare_get(*, id: str) -> dict[str, Any]:
    """Return a record at once: what is measured is what stands around it."""
    return {"id": id}


def provider(sampling: str) -> TracerProvider:
    """Return a provider without a processor: spans are built in full and go nowhere."""
    return TracerProvider(sampler=SAMPLERS[sampling])


@contextlib.contextmanager
def stacked(  # noqa: PLR0913 (each has a default, and is given by name)
    handlers: Handlers,
    folder: Path,
    sampling: str,
    *,
    layers: tuple[str, ...] = LAYERS,
    backend: BackendInfo | None = None,
    policy: ResidencyPolicy = POLICY,
    durability: Literal["group", "none"] = "none",
    labels: Literal["auto", "off"] = "auto",
) -> Generator[Handlers]:
    """Wrap a map in some of the four layers, with an audit log in `folder`, for a block."""
    name = f"audit-{'-'.join(layers)}-{durability}"
    with AuditLog.open(folder / name, auditor=None, durability=durability, timeout=60) as log:
        made: dict[str, Callable[[], Middleware]] = {
            "tracing": lambda: tracing(tracer_provider=provider(sampling)),
            "metrics": lambda: metrics(registry=CollectorRegistry()),
            "audit": lambda: audit(log),
            "region_guard": lambda: region_guard(policy, labels=labels),
        }
        yield wrap(handlers, *(made[name]() for name in layers), backend=backend)


@contextlib.contextmanager
def stack(
    handlers: Handlers,
    folder: Path,
    sampling: str,
    layers: tuple[str, ...] = LAYERS,
    backend: BackendInfo | None = None,
) -> Generator[Callable[..., Awaitable[Any]]]:
    """Do the same, and yield its `session.get`."""
    with stacked(handlers, folder, sampling, layers=layers, backend=backend) as wrapped:
        yield wrapped["session.get"]


def answer(tenant: str) -> Decision:
    """Return what the policy says of a `session.get` for a tenant."""
    return decide(POLICY, Question("session.get", tenant, None, REGION, BACKEND), time.time())


def inlined(folder: Path, sampling: str) -> Callable[..., Awaitable[Any]]:
    """Return the inlined `session.get`."""
    return inlined_session_get(
        bare_get,
        BACKEND,
        tracer_provider=provider(sampling),
        registry=CollectorRegistry(),
        audit_file=Path(folder) / "inlined.jsonl",
        decisions={("acme", REGION): answer("acme")},
    )
