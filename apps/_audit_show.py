"""`storescope audit show`: the records of an audit log, filtered, for people and for other tools."""

from __future__ import annotations

import json
import os
import select
import sys
from collections import deque
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope.contract import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from storescope.middleware._audit._reading._cursor import Entry, Problem
    from storescope.middleware._audit._reading._filter import Filter
    from storescope.middleware._audit._reading._read import LogReader

_POLL_MS = 100
_PHASES = ("header", "intent", "outcome", "seal", "gap", "recovery", "tombstone", "tamper", "override")
_OUTCOMES = ("ok", "not_found", "denied", "error", "cancelled", "unknown")
_DECISIONS = ("allow", "deny", "would_deny", "exception")
_NAMES = (*dict.fromkeys(operation.entity for operation in OPERATIONS.values()), *OPERATIONS)


def _time(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from storescope.middleware._audit._reading._filter import time_of

    try:
        return None if value is None else time_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _choice(*names: str) -> Any:
    return {"multiple": True, "type": click.Choice(names), "metavar": "NAME"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--since",
    callback=_time,
    metavar="TIME",
    help="Written then or later: 2026-11-22T23:36:48Z, or 15m, 2h, 1d ago.",
)
@click.option("--until", callback=_time, metavar="TIME", help="Written then or before.")
@click.option("--actor", multiple=True, metavar="NAME", help="By whom.")
@click.option("--tenant", multiple=True, metavar="NAME", help="For whom.")
@click.option("--operation", **_choice(*_NAMES), help="session.get and so on; session for all on sessions.")
@click.option("--outcome", **_choice(*_OUTCOMES), help=f"{', '.join(_OUTCOMES)}.")
@click.option("--decision", **_choice(*_DECISIONS), help=f"Of the region guard: {', '.join(_DECISIONS)}.")
@click.option("--phase", **_choice(*_PHASES), help=f"{', '.join(_PHASES)}.")
@click.option("--trace", multiple=True, metavar="ID", help="The trace's id, in hex.")
@click.option("--call", multiple=True, metavar="ID", help="The call's id: an intent and its outcome.")
@click.option("--session", multiple=True, metavar="ID", help="The session's id. Needs --key; a hash does not.")
@click.option("--record", multiple=True, metavar="ID", help="The record's id. Needs --key; a hash does not.")
@click.option("--key", type=click.Path(path_type=Path), help="The auditor's secret key, NAME.key, to look ids up.")
@click.option("-n", "--lines", "--limit", type=click.IntRange(min=0), help="Only the last so many of those.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--format", "form", type=click.Choice(["text", "json", "ocsf"]), default="text", show_default=True)
def show(folder: Path, *, follow: bool, lines: int | None, form: str, **asked: Any) -> int:
    """Show the records of the audit log in FOLDER, of all its streams, in order of time.

    Options narrow it down; one that is given several times takes any of its values. Times are in UTC.
    --format json gives each record's own line, unchanged; ocsf gives events of the class Datastore Activity of
    OCSF 1.8.0.

    Nothing is verified here, with --key neither: storescope audit verify does that. What is no record is not
    shown, and stderr says where it stands. Files that ended before --since are not looked at.

    Exit codes: 0 all that was asked for is shown, 1 some of the log could not be read, 2 usage, 130 after Ctrl-C.

    \b
    Example:
      storescope audit show audit/ --since 2h --tenant acme --outcome denied
      storescope audit show audit/ --session s1 --key auditor.key
    """
    from storescope.errors import AuditError
    from storescope.middleware._audit._reading._read import LogReader

    wanted = _filter(asked)
    with LogReader(folder, _tell, since=wanted.since) as reader:
        if not (reader.streams or reader.problems or follow):
            raise AuditError(f"{folder}: holds no audit stream")
        write = _writer(form)
        for entry in _last(_matching(_history(reader, asked["until"], follow=follow), wanted), lines):
            write(entry)
        while follow:
            sys.stdout.flush()
            _pause()
            for entry in _matching(reader.read(), wanted):
                write(entry)
        sys.stdout.flush()
        return 1 if reader.problems else 0


def _filter(asked: dict[str, Any]) -> Filter:
    from storescope.middleware._audit._reading._filter import Filter, Ids

    names = ("actor", "tenant", "outcome", "decision", "phase")
    return Filter(
        since=asked["since"],
        until=asked["until"],
        equal={
            **{name: frozenset(asked[name]) for name in names},
            "trace_id": frozenset(trace.lower() for trace in asked["trace"]),
            "call_id": frozenset(asked["call"]),
        },
        operations=frozenset(asked["operation"]),
        sessions=Ids(asked["session"], asked["key"]),
        records=Ids(asked["record"], asked["key"]),
    )


def _history(reader: LogReader, until: str | None, *, follow: bool) -> Iterator[Entry]:
    """Return what is there now; where the end is asked for, no more than may come before it."""
    from storescope.middleware._audit._reading._since import surely_behind

    end = None if until is None or follow else surely_behind(until)
    for entry in reader.read() if follow else chain(reader.read(), reader.finish()):
        if end is not None and entry.ts > end:
            return
        yield entry


def _matching(entries: Iterable[Entry], wanted: Filter) -> Iterator[Entry]:
    return (entry for entry in entries if wanted.fits(entry))


def _last(entries: Iterator[Entry], count: int | None) -> Iterable[Entry]:
    return entries if count is None else deque(entries, maxlen=count)


def _writer(form: str) -> Callable[[Entry], object]:
    """Return what writes a record to standard output."""
    out = sys.stdout
    if form == "json":
        return lambda entry: out.buffer.write(entry.line + b"\n")
    if form == "ocsf":
        from storescope.middleware._audit._reading._ocsf import to_ocsf

        return lambda entry: out.write(json.dumps(to_ocsf(entry), separators=(",", ":")) + "\n")
    from storescope.apps._audit_show_text import TextLines

    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors="backslashreplace")  # a terminal that knows few characters is no reason to fail
    terminal = out.isatty()
    text = TextLines(colours=terminal and not os.environ.get("NO_COLOR"))
    if terminal:
        out.write(text.titles() + "\n")
    return lambda entry: out.write(text.line(entry) + "\n")


def _tell(problem: Problem) -> None:
    from storescope.middleware._region._reader import one_line

    where = f"{problem.path}, line {problem.line}" if problem.line else str(problem.path)
    click.echo(one_line(f"storescope: {where}: {problem.what}"), err=True)


def _pause() -> None:
    """Wait a moment; end if nobody reads our output any more, even if there is nothing to write."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if poll.poll(_POLL_MS):
        raise BrokenPipeError
