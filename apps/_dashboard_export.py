"""`storescope dashboards export`: dashboards and rules for one's own service."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--job", metavar="REGEX", default=".+", help="The job label of your processes; all jobs if left out."
)
@click.option("--availability", default=0.999, show_default=True, help="The share of calls that must not fail.")
@click.option(
    "--latency-seconds",
    default=0.25,
    show_default=True,
    help="Within how many seconds a call is fast: a bucket's bound.",
)
@click.option("--latency-share", default=0.99, show_default=True, help="The share of calls that must be fast.")
def export(*, folder: Path, job: str, availability: float, latency_seconds: float, latency_share: float) -> int:
    """Write dashboards, rules and provisioning into FOLDER, for your job and your objectives.

    Exit codes: 0 written, 2 usage: an objective that cannot be, or a folder that cannot be written.

    \b
    Example:
      storescope dashboards export monitoring --job agents --availability 0.995 --latency-seconds 0.1
    """
    from storescope.dashboards import Objectives
    from storescope.dashboards._export import export as write

    objectives = Objectives(
        job=job, availability=availability, latency_seconds=latency_seconds, latency_share=latency_share
    )
    for path in write(folder, objectives):
        click.echo(path)
    return 0
