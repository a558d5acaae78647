"""OpenTelemetry for the commands that make spans, set up by the SDK's own reading of the OTEL_* variables."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider

from storescope.errors import MissingExtraError, StorageError
from storescope.middleware import configure_logging

if TYPE_CHECKING:
    from collections.abc import Generator

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class TelemetryError(StorageError):
    """OpenTelemetry cannot be set up as the OTEL_* variables say."""


class _Configurator(_OTelSDKConfigurator):
    """A distribution subclasses it; so do commands that bring their own defaults."""


@contextmanager
def opentelemetry_from_environment(service_name: str, *, only_exported: bool = False) -> Generator[TracerProvider]:
    """Set up OpenTelemetry for this process, once, as OTEL_TRACES_EXPORTER, OTEL_SERVICE_NAME and the others say.

    Three defaults differ from the SDK's: the service's name; `otlp` where only an OTLP endpoint is given; and
    OTLP over HTTP, which the extra `otlp` brings, instead of gRPC.

    Args:
        service_name: What the service is called if no variable says.
        only_exported: Whether to begin no sampled trace while nothing is exported: nobody would see what it costs.
            A trace that comes in sampled stays so.

    Yields:
        The global tracer provider. Without exporters its spans go nowhere; OTEL_SDK_DISABLED=true makes none.
        At the end of the block it is flushed and closed.

    Raises:
        MissingExtraError: If an exporter is asked for that is not installed.
        TelemetryError: If the variables contradict themselves or name what there is not.
    """
    _set_defaults(service_name, only_exported=only_exported)
    try:
        _Configurator().configure()  # type: ignore[no-untyped-call] # the SDK's own
    except RuntimeError as error:
        text = str(error).strip()
        if "'otlp_proto_http'" in text:
            raise MissingExtraError(
                "exporting over OTLP needs a package that is not installed: pip install 'storescope[otlp]'"
            ) from None
        raise TelemetryError(f"the OTEL_* variables cannot be followed: {text}") from None
    except ValueError as error:  # what an exporter or processor made of a value
        raise TelemetryError(f"the OTEL_* variables cannot be followed: {error}") from None
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()  # a configuration file may leave traces out; ours then go nowhere
    try:
        yield provider
    finally:
        provider.shutdown()


def log_to_stderr() -> None:
    """Have warnings of storescope's own logged: for people on a terminal, else as JSON."""
    configure_logging(json=not sys.stderr.isatty(), level="warning")


def _set_defaults(service_name: str, *, only_exported: bool) -> None:
    if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", service_name)
    os.environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if any(os.environ.get(name) for name in _ENDPOINTS):
        os.environ.setdefault("OTEL_TRACES_EXPORTER", "otlp")
    if only_exported and os.environ.get("OTEL_TRACES_EXPORTER", "none").strip() in {"", "none"}:
        os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_always_off")
