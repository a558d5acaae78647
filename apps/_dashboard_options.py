"""Options that several commands of `storescope dashboards` have: which Prometheus, which job, how far back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_A_YEAR = 366 * 86_400


def prometheus_option(*, required: bool) -> Callable[[Any], Any]:
    """Ask for the URL of a Prometheus."""
    text = "The Prometheus to ask, such as http://127.0.0.1:9090."
    return click.option("--prometheus", metavar="URL", required=required, help=text)


job_option = click.option("--job", metavar="NAME", help="Look at this job of Prometheus alone; all if left out.")
range_option = click.option(
    "--range",
    "seconds",
    default=3_600,
    show_default=True,
    type=click.IntRange(10, _A_YEAR),
    help="How far back to look, in seconds.",
)
rate_option = click.option(
    "--rate-interval",
    "rate_seconds",
    default=300,
    show_default=True,
    type=click.IntRange(2, _A_YEAR),
    help="The window of rates, in seconds; at least four times the scrape interval.",
)


def chosen_job(job: str | None) -> dict[str, str]:
    """Return the values of variables that `--job` stands for."""
    return {} if job is None else {"job": job}
