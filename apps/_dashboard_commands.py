"""`storescope dashboards`: the Grafana dashboards, generated anew."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def dashboards() -> None:
    """Work with the Grafana dashboards.

    \b
    Example:
      storescope dashboards build my-dashboards
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
