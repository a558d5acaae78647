"""Where the spans of a load go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


def tracer_provider() -> TracerProvider | None:
    """Return the global tracer provider; None if none is configured, and nothing is recorded."""
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider
