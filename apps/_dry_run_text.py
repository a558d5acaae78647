"""What `storescope conformance --dry-run` found, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from storescope.apps._conformance_text import heading, line
from storescope.conformance._case import ENTITIES

if TYPE_CHECKING:
    from rich.console import Console

    from storescope.conformance import DryRun, Finding
    from storescope.conformance._findings import FindingKind

# Kind -> column, heading, and what it means.
_KINDS: dict[FindingKind, tuple[str, str, str]] = {
    "refused": ("refused", "Would be refused", "an agent that reads one of these cannot set it again"),
    "listed": ("wrongly listed", "Wrongly listed", "a list holds it that should not"),
    "not_json": ("not JSON", "Not plain JSON", "your own handlers may allow it; a shipped backend would not"),
    "unread": ("unread", "Could not be read", "nobody knows what is there"),
}
_COLOURS: dict[FindingKind, str] = {"refused": "red", "listed": "red", "not_json": "yellow", "unread": "magenta"}


def show_dry_run(found: DryRun, out: Console) -> None:
    """Print the counts, one line for each finding, and what was not looked at."""
    heading(out, "What is there", "read only: nothing was written")
    out.print(_table(found), highlight=False)
    for kind, (_, title, what) in _KINDS.items():
        findings = [finding for finding in found.findings if finding.kind == kind]
        if findings:
            heading(out, title, what)
            for finding in findings:
                _one_line(out, f"{escape(_named(finding))}: {escape(finding.why)}")
    if found.not_looked_at:
        heading(out, "Not looked at", "nothing is known of these")
        for entity, why in found.not_looked_at.items():
            _one_line(out, f"{entity}: {escape(why)}")
    if found.without_record:
        heading(out, "Without a record", "session.get returned None for these of the given sessions")
        for session in found.without_record:
            _one_line(out, escape(repr(session)))
    heading(out, "Result", "")
    line(out, _verdict(found))


def _table(found: DryRun) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="dim")
    table.add_column("")
    for column in ("read", *(column for column, _, _ in _KINDS.values())):
        table.add_column(column, justify="right")
    for entity in ENTITIES:
        if entity in found.not_looked_at:
            table.add_row(entity, *["-"] * (len(_KINDS) + 1))
        else:
            counts = [_count(kind, found.count(kind, entity)) for kind in _KINDS]
            table.add_row(entity, str(found.read[entity]), *counts)
    return table


def _count(kind: FindingKind, count: int) -> str:
    return f"[{_COLOURS[kind]}]{count}[/]" if count else "[dim]0[/]"


def _named(finding: Finding) -> str:
    name = finding.entity if finding.id is None else f"{finding.entity} {finding.id!r}"
    return f"{name} of tenant {finding.tenant!r}" if finding.tenant else name


def _one_line(out: Console, markup: str) -> None:
    """Print a line that a script can grep: it does not wrap."""
    out.print(f"  {markup}", highlight=False, soft_wrap=True)


def _verdict(found: DryRun) -> str:
    read = sum(found.read.values())
    what = "1 record read" if read == 1 else f"{read} records read"
    totals: dict[FindingKind, int] = {
        kind: sum(finding.kind == kind for finding in found.findings) for kind in _KINDS
    }
    told = [f"[{_COLOURS[kind]}]{total} {_KINDS[kind][0]}[/]" for kind, total in totals.items() if total]
    verdict = f"{what}: {', '.join(told) or '[green]nothing would be refused[/]'}"
    return verdict if found.complete else f"{verdict}; [magenta]incomplete[/]"
