"""`storescope demo`: a real agent session, and everything that was seen of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click


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
def demo(backend: str, folder: Path, *, as_json: bool) -> None:
    """Run an agent session and show its trace, metrics, audit log and a denial.

    The agent has a script instead of a model, but its tools really list and read files, count words and run a
    command, and all of it is stored through the four middlewares. Keys, policy and audit log are left in
    .storescope/demo for you to look at.

    The traces also go where the OTEL_* variables say: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318.

    \b
    Example:
      storescope demo --backend redis://localhost:6379/0
    """
    from rich.console import Console

    from storescope.apps._telemetry import log_to_stderr, opentelemetry_from_environment
    from storescope.apps.demo import run, show

    log_to_stderr()

    with opentelemetry_from_environment("storescope-demo") as provider:
        report = asyncio.run(run(backend, folder, tracer_provider=provider))
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        console = Console()
        show(report, console if console.is_terminal else Console(width=100))
