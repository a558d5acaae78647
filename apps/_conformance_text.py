"""What `storescope conformance` found, for people: in colour on a terminal, plain when piped."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from storescope.conformance._run import NO_HANDLER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from storescope.conformance import Result
    from storescope.conformance._case import Kind, Status

KINDS: dict[Kind, tuple[str, str]] = {
    "core": ("Core", "what an agent relies on, whatever the store"),
    "promise": ("Promises", "what the shipped backends add; a map of your own may lack some"),
}
_COLOURS: dict[Status, str] = {"pass": "green", "fail": "bold red", "not_applicable": "yellow"}


def console() -> Console:
    """Return where results go: the terminal, or 100 columns of plain text."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=100)


def progress(doing: str) -> AbstractContextManager[object]:
    """Show on a terminal that something is going on; elsewhere nothing."""
    terminal = Console(stderr=True)
    return terminal.status(doing) if terminal.is_terminal else nullcontext()


def heading(out: Console, title: str, what: str) -> None:
    """Print a heading."""
    out.print()
    out.print(f"[bold cyan]{title}[/]  [dim]{escape(what)}[/]", highlight=False)


def line(out: Console, markup: str, indent: int = 2) -> None:
    """Print a line that keeps its indent where it wraps."""
    out.print(Padding(markup, (0, 0, 0, indent), expand=False), highlight=False)


def show_results(results: list[Result], out: Console) -> None:
    """Print the table of cases, then in full what failed and what could not be tried, then the counts."""
    for kind, (title, what) in KINDS.items():
        heading(out, title, what)
        out.print(_table([result for result in results if result.case.kind == kind]), highlight=False)
    for kind, title in (("core", "Failed"), ("promise", "Promises that are not kept")):
        failed = [result for result in results if result.case.kind == kind and result.status == "fail"]
        if failed:
            heading(out, title, "what was expected and what came")
            _show_failed(failed, out)
    _show_not_tried([result for result in results if result.status == "not_applicable"], out)
    kept = count(results, "core")["fail"] == 0
    heading(out, "Result", "the core contract is kept" if kept else "the core contract is broken")
    for kind, (title, _) in KINDS.items():
        line(out, f"{title.lower():<9} {_counts(results, kind)}")


def _function(result: Result) -> str:
    return result.case.name.partition("/")[2]


def _entities(results: Iterable[Result]) -> str:
    return ", ".join(result.case.entity for result in results)


def _grouped(results: list[Result]) -> dict[str, list[Result]]:
    """Group results by their function, in order."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(_function(result), []).append(result)
    return groups


def _table(results: list[Result]) -> Table:
    """Return one row for each function and status, with the kinds of record that it holds for."""
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="dim")
    table.add_column("case", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("kinds of record")
    theme = ""
    for name, group in _grouped(results).items():
        for status in ("pass", "fail"):
            of_status = [result for result in group if result.status == status]
            if not of_status:
                continue
            if group[0].case.theme != theme:
                theme = group[0].case.theme
                table.add_row(f"[bold]{theme}[/]")
            table.add_row(f"  {name}", f"[{_COLOURS[status]}]{status}[/]", _entities(of_status))
    return table


def _show_failed(failed: list[Result], out: Console) -> None:
    for name, group in _grouped(failed).items():
        line(out, f"[{_COLOURS['fail']}]{name}[/]  {_entities(group)}")
        line(out, f"[dim]{escape(group[0].case.protects)}[/]", indent=4)
        for why in _reasons(group):
            line(out, escape(why), indent=4)


def _reasons(group: list[Result]) -> list[str]:
    """Return what differs by more than the kind of record."""
    reasons = {result.why.replace(f"{result.case.entity}.", ""): result.why for result in reversed(group)}
    return list(reversed(reasons.values()))


def _show_not_tried(results: list[Result], out: Console) -> None:
    if not results:
        return
    heading(out, "Not tried", "and why")
    without = [result for result in results if result.why.startswith(NO_HANDLER)]
    if without:  # a partial map has many of these, and what is missing says it all
        names = [name for result in without for name in result.why.removeprefix(NO_HANDLER).split(", ")]
        line(out, f"{_cases(len(without))}: {NO_HANDLER}{', '.join(dict.fromkeys(names))}")
    reasons: dict[str, list[Result]] = {}
    for result in results:
        if not result.why.startswith(NO_HANDLER):
            reasons.setdefault(result.why, []).append(result)
    for why, group in reasons.items():
        line(out, f"{_cases(len(group))}: {escape(why)}")
        for name, same in _grouped(group).items():
            line(out, f"[dim]{name}  {_entities(same)}[/]", indent=4)


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _counts(results: list[Result], kind: Kind) -> str:
    counted = count(results, kind)
    passed = f"[green]{counted['pass']} pass[/]"
    failed = f"[{_COLOURS['fail'] if counted['fail'] else 'dim'}]{counted['fail']} fail[/]"
    rest = f", [yellow]{counted['not_applicable']} not tried[/]" if counted["not_applicable"] else ""
    return f"{passed}, {failed}{rest}"


def count(results: list[Result], kind: Kind) -> dict[Status, int]:
    """Return how many cases of a kind there are of each status."""
    statuses = [result.status for result in results if result.case.kind == kind]
    return {status: statuses.count(status) for status in _COLOURS}
