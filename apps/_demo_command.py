"""`storescope demo`: a real agent session, and everything that was seen of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storescope.apps._view_command import PORT, announce, require_viewer

if TYPE_CHECKING:
    from storescope.apps.demo._report import Report


@click.command()
@click.option("--backend", default="local:.storescope", show_default=True, help="Where the agent stores: any URL.")
@click.option(
    "--folder",
    default=".",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder that the agent looks at.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@click.option("--view", is_flag=True, help="Then show it in the browser, until Ctrl-C.")
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="With --view; 0 for any free one.",
)
@click.option("--no-open", is_flag=True, help="With --view: do not open a browser.")
def demo(  # noqa: PLR0913 (click passes one by keyword for each option)
    backend: str, folder: Path, *, as_json: bool, view: bool, port: int, no_open: bool
) -> None:
    """Run an agent session and show its trace, metrics, audit log and a denial.

    The agent has a script instead of a model, but its tools really list and read files, count words and run a
    command, and all of it is stored through the four middlewares. Keys, policy and audit log are left in
    .storescope/demo for you to look at.

    The traces also go where the OTEL_* variables say: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318.

    \b
    Example:
      storescope demo --backend redis://localhost:6379/0
      storescope demo --view
    """
    from storescope.apps._telemetry import log_to_stderr, opentelemetry_from_environment

    log_to_stderr()
    if view:
        _run_with_viewer(backend, folder, as_json=as_json, port=port, opens=not no_open)
        return
    from storescope.apps.demo import run

    with opentelemetry_from_environment("storescope-demo") as provider:
        report = asyncio.run(run(backend, folder, tracer_provider=provider))
    _show(report, as_json=as_json)


def _show(report: Report, *, as_json: bool) -> None:
    from rich.console import Console

    from storescope.apps.demo import show

    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        console = Console()
        show(report, console if console.is_terminal else Console(width=100))


def _run_with_viewer(backend: str, folder: Path, *, as_json: bool, port: int, opens: bool) -> None:
    """Run the demo with a viewer beside it, which takes its traces as any program's, over OTLP."""
    require_viewer()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from prometheus_client import CollectorRegistry

    from storescope.apps.demo import HOME, prepare, run
    from storescope.apps.load._serve import serving
    from storescope.apps.view import Options, Viewer

    _, secret = prepare()
    (HOME / "audit").mkdir(exist_ok=True)  # where its log will be
    registry = CollectorRegistry()
    with serving(registry, 0) as metrics:
        options = Options(audit=HOME / "audit", audit_key=secret, metrics=metrics)
        with Viewer(port, options).start() as viewer:
            provider = TracerProvider(resource=Resource.create({"service.name": "demo-agent"}))
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{viewer.url}/v1/traces")))
            report = asyncio.run(run(backend, folder, tracer_provider=provider, registry=registry))
            _show(report, as_json=as_json)
            viewer.wait(lambda: announce(viewer, opens=opens))
