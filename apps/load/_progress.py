"""The progress bar of a load, on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.progress import TaskID

    from storescope.apps.load._tally import Tally


class Bar:
    """Shows how a run goes; without a terminal, only where its metrics are."""

    def __init__(self, seconds: float, progress: Progress | None) -> None:
        self._seconds = seconds
        self._progress = progress
        self._task: TaskID | None = None

    def began(self, metrics_url: str) -> None:
        """Say where metrics are served; a script that picked no port reads it here."""
        text = f"metrics on {metrics_url}"
        if self._progress is None:
            click.echo(text, err=True)
            return
        self._progress.console.print(text, highlight=False)
        self._task = self._progress.add_task("", total=self._seconds, told="")

    def tick(self, seconds: float, tally: Tally) -> None:
        """Move the bar."""
        ended = tally.every().outcomes
        told = f"{tally.calls:,} calls, {tally.calls / seconds:,.0f}/s"
        others = ", ".join(f"{ended[name]:,} {name}" for name in ("denied", "error") if ended[name])
        self._show(f"{told}, {others}" if others else told, min(seconds, self._seconds))

    def verifying(self) -> None:
        """Say what takes the time now."""
        self._show("verifying the audit log", self._seconds)

    def _show(self, told: str, completed: float) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, told=told)


@contextmanager
def bar(seconds: float) -> Generator[Bar]:
    """Show a bar on a terminal; it is gone when the report is printed."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Bar(seconds, None)
        return
    columns = (BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(seconds, progress)
