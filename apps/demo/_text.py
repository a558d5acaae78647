"""The report for people: in colour on a terminal, plain when piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.tree import Tree

if TYPE_CHECKING:
    from rich.console import Console

    from storescope.apps.demo._agent import Turn
    from storescope.apps.demo._report import AuditTrail, Denial, Measured, Report, SpanNode

_COLOURS = {"ok": "green", "not_found": "yellow", "denied": "magenta", "error": "red", "cancelled": "yellow"}


def show(report: Report, console: Console) -> None:
    """Print the whole report."""
    _show_turns(console, report.turns, report.backend)
    _show_trace(console, report.trace)
    _show_metrics(console, report.metrics)
    _show_audit(console, report.audit)
    _show_denial(console, report.denial)
    _heading(console, "Next", "")
    _line(console, f"storescope audit verify {report.audit.folder} --key {report.audit.key}")
    _line(console, "storescope demo --json")
    _line(console, "wrap the handlers that you have: ten lines, in README.md")


def _line(console: Console, markup: str, indent: int = 2) -> None:
    """Print a line that keeps its indent where it wraps."""
    console.print(Padding(markup, (0, 0, 0, indent), expand=False), highlight=False)


def _heading(console: Console, title: str, what: str) -> None:
    console.print()
    console.print(f"[bold cyan]{title}[/]  [dim]{escape(what)}[/]", highlight=False)


def _show_turns(console: Console, turns: list[Turn], backend: str) -> None:
    _heading(console, "The agent", f"a script instead of a model, but real tools; it stores to {backend}")
    for turn in turns:
        _line(console, f"[bold]{escape(turn.question)}[/]")
        for name, summary in turn.tools:
            _line(console, f"{name:<12} {escape(summary)}", indent=4)


def _show_trace(console: Console, roots: list[SpanNode]) -> None:
    _heading(console, "The trace", "one span for each storage operation; the first turn in full")
    if not roots:
        _line(console, "no span was made: the OTEL_* variables switch traces off")
    shown = next((root for root in roots if root.name == "agent turn 1"), None)
    for root in roots:
        calls = "1 storage call" if root.storage_calls == 1 else f"{root.storage_calls} storage calls"
        tree = Tree(f"{_label(root)} [dim]{calls}[/]")
        if root is shown:
            _grow(tree, root)
        console.print(Padding(tree, (0, 0, 0, 2), expand=False), highlight=False)


def _grow(tree: Tree, node: SpanNode) -> None:
    for child in node.children:
        _grow(tree.add(_label(child)), child)


def _label(node: SpanNode) -> str:
    outcome = "" if node.outcome is None else f" [{_COLOURS[node.outcome]}]{node.outcome}[/]"
    return f"{escape(node.name)} [dim]{node.milliseconds:.2f} ms[/]{outcome}"


def _table() -> Table:
    return Table(box=None, padding=(0, 2), header_style="dim")


def _show_metrics(console: Console, metrics: list[Measured]) -> None:
    _heading(console, "The metrics", "as Prometheus reads them from agent_storage_*")
    table = _table()
    table.add_column("operation")
    table.add_column("calls", justify="right")
    table.add_column("outcomes")
    table.add_column("mean ms", justify="right")
    for row in metrics:
        outcomes = ", ".join(f"[{_COLOURS[name]}]{count} {name}[/]" for name, count in row.outcomes.items())
        table.add_row(row.operation, str(row.calls), outcomes, f"{row.mean_milliseconds:.2f}")
    console.print(table, highlight=False)


def _show_audit(console: Console, trail: AuditTrail) -> None:
    _heading(console, "The audit log", f"the last of this run's {trail.records} records; ids are keyed hashes")
    table = _table()
    for column in ("time", "phase", "operation", "tenant", "record", "outcome"):
        table.add_column(column, no_wrap=True)
    for record in trail.last:
        outcome = record["outcome"] or ""
        table.add_row(
            record["ts"][11:23],
            record["phase"],
            record["operation"] or "",
            record["tenant"] or "",
            (record["record"] or record["session"] or "")[:12],
            f"[{_COLOURS[outcome]}]{outcome}[/]" if outcome else "",
        )
    console.print(table, highlight=False)
    colour = "green" if trail.verdict == "intact" else "red"
    _line(console, f"verified: [{colour}]{escape(trail.summary)}[/]")


def _show_denial(console: Console, denial: Denial) -> None:
    _heading(console, "A denial", denial.call)
    _line(console, f"[magenta]ResidencyError[/] {escape(denial.error)}")
    facts = ", ".join(f"{name} = {value or 'unknown'}" for name, value in denial.facts.items())
    _line(console, f"facts: {escape(facts)}")
    contacted = "[red]was contacted[/]" if denial.backend_contacted else "[green]was not contacted[/]"
    _line(console, f"the backend {contacted}")
