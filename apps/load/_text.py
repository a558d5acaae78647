"""The report for people: in colour on a terminal, plain when piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from storescope.apps._conformance_text import heading, line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from storescope.apps.load._report import AuditReport, LoadReport

_COLOURS = {"ok": "green", "not_found": "yellow", "denied": "magenta", "error": "red", "cancelled": "yellow"}


def show(report: LoadReport, console: Console) -> None:
    """Print the whole report."""
    ended = "ended early" if report.interrupted else "ended"
    heading(console, "Load", f"{_many(report.busy, 'session')} at once on {report.backend} in {report.region}")
    line(
        console,
        f"{ended} after {report.seconds:,.1f} s: {_many(report.calls, 'call')}, "
        f"[bold]{report.calls_per_second:,.1f} calls/s[/]; p50 {_ms(report.p50_ms)} ms, "
        f"p99 {_ms(report.p99_ms)} ms",
    )
    line(console, f"{_outcomes(report.outcomes)}")
    line(console, f"{_many(report.sessions, 'session')} begun, {_many(report.turns, 'turn')}, seed {report.seed}")
    heading(console, "Operations", "how calls ended, and how long those took that succeeded")
    console.print(_table(report), highlight=False)
    _show_faults(report, console)
    _show_audit(report.audit, console)


def _table(report: LoadReport) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("operation", no_wrap=True)
    table.add_column("calls", justify="right")
    table.add_column("p50 ms", justify="right")
    table.add_column("p99 ms", justify="right")
    table.add_column("outcomes")
    for row in report.operations:
        times = (_ms(row.p50_ms), _ms(row.p99_ms))
        table.add_row(row.operation, f"{row.calls:,}", *times, _outcomes(row.outcomes))
    return table


def _show_faults(report: LoadReport, console: Console) -> None:
    heading(console, "On purpose", "and what was not")
    line(console, f"errors     {report.injected_errors:,} injected, {_others(report.other_errors)}")
    if report.error_types:
        types = ", ".join(f"{escape(name)} {count:,}" for name, count in report.error_types.items())
        line(console, types, indent=13)
    decisions = ", ".join(f"{count:,} {name}" for name, count in sorted(report.decisions.items()))
    line(console, f"residency  {decisions or 'nothing was decided'}")
    conflicts = f"{report.update_conflicts:,} conflicts counted by the store"
    line(console, f"updates    {report.raced_updates:,} raced with others, {conflicts}")


def _show_audit(audit: AuditReport, console: Console) -> None:
    heading(console, "The audit log", audit.folder or "went with the run; --keep FOLDER keeps it")
    line(console, f"{audit.records:,} records by this run, {audit.failures:,} could not be written")
    colour = {"intact": "green", "unsealed": "yellow"}.get(audit.verdict, "red")
    line(console, f"verified: [{colour}]{escape(audit.summary)}[/]")
    if audit.folder is not None and audit.key is not None:
        line(console, escape(f"storescope audit verify {audit.folder} --key {audit.key}"))


def _outcomes(outcomes: Mapping[str, int]) -> str:
    told = [f"[{_COLOURS[name]}]{count:,} {name}[/]" for name, count in outcomes.items() if count]
    return ", ".join(told) or "no call ended"


def _others(count: int) -> str:
    return f"[red]{count:,} others[/]" if count else "no others"


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:,.2f}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
