"""`storescope dashboards preview`: a dashboard drawn without Grafana."""

from __future__ import annotations

from pathlib import Path

import click

from storescope.apps._dashboard_options import (
    chosen_job,
    job_option,
    prometheus_option,
    range_option,
    rate_option,
)


@click.command()
@click.argument("dashboard", type=click.Path(path_type=Path))
@prometheus_option(required=True)
@job_option
@range_option
@rate_option
@click.option(
    "--output",
    default=Path("preview.html"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page.",
)
def preview(  # noqa: PLR0913 (click gives one for each option)
    *, dashboard: Path, prometheus: str, job: str | None, seconds: int, rate_seconds: int, output: Path
) -> int:
    """Draw DASHBOARD, a file or the name of one that storescope ships, into one HTML page.

    It is no Grafana: the page is static, drawn with the library that Grafana draws with, and opens every row. It
    shows whether the numbers and their units are right, before a Grafana is at hand.

    Exit codes: 0 drawn, 2 usage: no such dashboard, or the Prometheus does not answer.

    \b
    Example:
      storescope dashboards preview storage-traffic --prometheus http://127.0.0.1:9090 --output traffic.html
    """
    from storescope.apps.preview import page
    from storescope.dashboards import GRAFANA
    from storescope.dashboards._check import read_board
    from storescope.dashboards._live import Span
    from storescope.dashboards._prometheus_api import PrometheusApi

    shipped = GRAFANA / f"{dashboard}.json"
    board = read_board(shipped if shipped.exists() else dashboard)
    text = page(board, PrometheusApi(prometheus), Span.until_now(seconds, rate_seconds), chosen_job(job))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(output)
    return 0
