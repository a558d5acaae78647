"""`storescope dashboards`: the Grafana dashboards, generated anew, checked, drawn."""

from __future__ import annotations

from pathlib import Path

import click

from storescope.apps._dashboard_check import check
from storescope.apps._dashboard_export import export
from storescope.apps._dashboard_preview import preview


@click.group()
def dashboards() -> None:
    """Work with the Grafana dashboards.

    \b
    Example:
      storescope dashboards export monitoring --job agents --availability 0.995
    """


@dashboards.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def build(folder: Path) -> int:
    """Generate every dashboard as JSON into FOLDER.

    \b
    Example:
      storescope dashboards build my-dashboards
    """
    from storescope.dashboards import write

    try:
        paths = write(folder)
    except OSError as error:
        click.echo(f"storescope: {folder}: cannot be written: {error.strerror}", err=True)
        return 2
    for path in paths:
        click.echo(path)
    return 0


dashboards.add_command(check)
dashboards.add_command(export)
dashboards.add_command(preview)
