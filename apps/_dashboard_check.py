"""`storescope dashboards check`: the lint, and every query asked of a real Prometheus."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storescope.apps._dashboard_options import (
    chosen_job,
    job_option,
    prometheus_option,
    range_option,
    rate_option,
)

if TYPE_CHECKING:
    from storescope.dashboards._check import Report

WRONG = 1


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@prometheus_option(required=False)
@job_option
@range_option
@rate_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def check(  # noqa: PLR0913 (click gives one for each option)
    *, folder: Path | None, prometheus: str | None, job: str | None, seconds: int, rate_seconds: int, as_json: bool
) -> int:
    """Check the dashboards in FOLDER, or those that storescope ships.

    They are held to the rules of grafana/dashboard-linter. With --prometheus each query of each panel, variable,
    annotation and recording rule is run, and must return at least one finite sample; of an alert, which is quiet
    while all is well, each series that it looks at must.

    Exit codes: 0 nothing is wrong, 1 something is, 2 usage, or the Prometheus does not answer.

    \b
    Example:
      storescope dashboards check --prometheus http://127.0.0.1:9090 --job agents
    """
    from storescope.dashboards._check import check as check_files
    from storescope.dashboards._live import Span
    from storescope.dashboards._prometheus_api import PrometheusApi

    api = None if prometheus is None else PrometheusApi(prometheus)
    report = check_files(folder, api, Span.until_now(seconds, rate_seconds), chosen_job(job))
    _print(report, as_json=as_json)
    return WRONG if report.wrong else 0


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(report) | {"wrong": len(report.wrong)}, indent=2))
        return
    for finding in report.findings:
        click.echo(f"{finding}" + (f" (meant to be: {finding.excepted})" if finding.excepted else ""))
    asked = f", {report.queries} queries" if report.queries else ""
    rules = f", {report.rules} rules" if report.rules else ""
    click.echo(f"{report.boards} dashboards{rules}{asked}: {len(report.wrong)} wrong")
