"""`storescope audit verify`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_LONG_BYTES = 64 * 1024 * 1024  # less is verified before a bar could be read


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The auditor's secret key, NAME.key.")
@click.option("--anchor", type=click.Path(path_type=Path), help="A file of heads that was kept elsewhere.")
@click.option(
    "--retention",
    type=click.FloatRange(min=0, max=36_500),
    metavar="DAYS",
    help="How long segments are kept; earlier removals are reported.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
def verify(folder: Path, key: Path, *, anchor: Path | None, retention: float | None, as_json: bool) -> int:
    """Verify every record of the audit log in FOLDER. Writers may go on writing meanwhile.

    Exit codes: 0 intact, 1 altered, 2 usage or a wrong key, 3 intact up to an unsealed end (the writer is still
    open, crashed, or the end was cut), 4 truncated or rolled back, 5 a stream or a segment is missing.

    \b
    Example:
      storescope audit verify audit/ --key auditor.key --anchor heads.jsonl --json
    """
    from storescope.middleware._audit._verify import verify as verify_folder

    with _progress(folder) as progress:
        report = verify_folder(folder, key, anchor=anchor, retention=retention, progress=progress)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.summary())
    return int(report.verdict)


@contextmanager
def _progress(folder: Path) -> Generator[Callable[[int], None] | None]:
    """Show a bar while a long folder is verified, if somebody is there to see it."""
    total = _size(folder) if sys.stderr.isatty() else 0
    if total < _LONG_BYTES:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("verify", total=total)
        yield lambda done: shown.update(task, completed=done)


def _size(folder: Path) -> int:
    """Return the size of a folder's files, as far as it can be told, in bytes."""
    from storescope.middleware._audit._files import log_files

    total = 0
    for path in log_files(folder):
        try:
            total += path.stat().st_size
        except OSError:  # packed or removed just now, or not to be read: the verification says so
            continue
    return total
