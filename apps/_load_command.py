"""`storescope load`: keeps a store busy, and everything that watches it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storescope.apps.load import LoadOptions, LoadReport

FAILED = 1
INTERRUPTED = 130
_MOST_SESSIONS = 10_000


def _seconds(_: click.Context, __: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise click.BadParameter("must be a number of seconds, more than 0")
    return value


def _share(_: click.Context, __: click.Parameter, value: float) -> float:
    if not 0 <= value <= 1:
        raise click.BadParameter("must be a share of all calls, from 0 to 1")
    return value


@click.command()
@click.option("--backend", default="memory:", show_default=True, help="Where the sessions store: any URL.")
@click.option(
    "--sessions",
    default=20,
    show_default=True,
    type=click.IntRange(1, _MOST_SESSIONS),
    help="How many are busy at once.",
)
@click.option("--seconds", default=60.0, show_default=True, callback=_seconds, help="For how long.")
@click.option(
    "--errors",
    default=0.01,
    show_default=True,
    callback=_share,
    help="The share of calls that fail, below the middlewares.",
)
@click.option(
    "--denials",
    default=0.01,
    show_default=True,
    callback=_share,
    help="The share of calls that the region guard denies.",
)
@click.option(
    "--metrics-port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="The port of 127.0.0.1 for metrics; 0 takes a free one.",
)
@click.option(
    "--linger",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 3_600),
    help="For how many seconds to serve metrics after the last call: a last scrape then sees all of it.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Let the sessions do what they did with this seed.")
@click.option(
    "--keep",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Keep policy, keys and audit log there; they go with the run if left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def load(  # noqa: PLR0913 (click gives one for each option)
    *,
    backend: str,
    sessions: int,
    seconds: float,
    errors: float,
    denials: float,
    metrics_port: int,
    linger: float,
    seed: int | None,
    keep: Path | None,
    as_json: bool,
) -> int:
    """Keep agent sessions busy on a store, through the four middlewares.

    Besides what agents do all day there are updates that race for one record, calls that are denied, that a policy
    only monitors and that one of its exceptions lets through, calls that are cancelled, and, when half of the time
    is over, one record that the audit log cannot write. stderr says where the metrics are.

    Spans go where the OTEL_* variables say. What was stored stays in the store. Ctrl-C ends it early.

    Exit codes: 0 all went as asked, 1 other calls failed too, or the audit log does not verify, 2 usage, 130 after
    Ctrl-C.

    \b
    Example:
      storescope load --backend redis://localhost:6379/0 --sessions 50 --seconds 300 --metrics-port 9464
    """
    if errors + denials > 1:
        raise click.UsageError("--errors and --denials are shares of the same calls: together 1 at most")
    from secrets import randbits

    from storescope.apps.load import LoadOptions

    options = LoadOptions(
        backend=backend,
        sessions=sessions,
        seconds=seconds,
        errors=errors,
        denials=denials,
        metrics_port=metrics_port,
        seed=randbits(32) if seed is None else seed,
        linger=linger,
        keep=keep,
    )
    report = _run(options)
    _print(report, as_json=as_json)
    if report.interrupted:
        return INTERRUPTED
    return 0 if report.as_asked else FAILED


def _run(options: LoadOptions) -> LoadReport:
    from storescope.apps._telemetry import log_to_stderr, opentelemetry_from_environment
    from storescope.apps.load import run
    from storescope.apps.load._progress import bar

    log_to_stderr()
    with opentelemetry_from_environment("storescope-load") as provider, bar(options.seconds) as watcher:
        return run(options, watcher, provider)


def _print(report: LoadReport, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    from storescope.apps._conformance_text import console
    from storescope.apps.load import show

    show(report, console())
