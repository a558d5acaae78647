"""`storescope conformance`: is a handler map of one's own right?"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope import Handlers
    from storescope.conformance import Result

T = TypeVar("T")

FAILED = 1
INCOMPLETE = 3


@click.command()
@click.argument("target")
@click.option("--promises", is_flag=True, help="Demand the promises of the shipped backends too.")
@click.option("--tenant", metavar="T", help="Make all calls for tenant T, as a map may require.")
@click.option("--dry-run", is_flag=True, help="Write nothing: check the records that are there.")
@click.option(
    "--sessions",
    metavar="FILE",
    type=click.File(encoding="utf-8-sig"),
    help="With --dry-run: the ids of the sessions to read, one a line; - is stdin.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def conformance(  # noqa: PLR0913 (click gives one for each option)
    target: str, *, promises: bool, tenant: str | None, dry_run: bool, sessions: TextIO | None, as_json: bool
) -> int:
    """Try the handler map TARGET against the contract of an agent's storage.

    TARGET is module:name or path/to/file.py:name. It names a handler map, or a function without arguments that
    returns one, an awaitable of one, or an async context manager that yields one. Other processes open the same
    TARGET and race with this one.

    It writes test records under fresh random ids, and they stay: the contract has no delete. Give it a store that
    may hold them.

    With --dry-run it only reads: all records of a map that has admin.scan, as the shipped backends have; of any
    other map the sessions that --sessions names, with their messages, parts and sandboxes.

    Exit codes: 0 every core case passes that could be tried, 1 one fails (with --promises, or a promise), 2 usage.
    With --dry-run: 0 nothing would be refused, 1 something would (with --promises, or is not JSON), 2 usage,
    3 incomplete, because something could not be read.

    \b
    Example:
      storescope conformance my_module:handlers
      storescope conformance my_module:handlers --dry-run --sessions ids.txt
    """
    from storescope import call_context

    with call_context(tenant=tenant):
        if dry_run:
            return _read(target, _session_ids(sessions), promises=promises, as_json=as_json)
        if sessions is not None:
            raise click.UsageError("--sessions goes with --dry-run; without it, nothing that is there is read")
        return _try(target, promises=promises, as_json=as_json)


def _try(target: str, *, promises: bool, as_json: bool) -> int:
    from storescope.apps._conformance_text import console, progress, show_results
    from storescope.conformance import CASES, Reopen, Subject, run

    with progress(f"trying {len(CASES)} cases"):
        results = _with_map(target, lambda handlers: run(Subject(handlers, Reopen(target))))
    if as_json:
        _print_json(_results_for_json(results))
    else:
        show_results(results, console())
    demanded = [result for result in results if promises or result.case.kind == "core"]
    return FAILED if any(result.status == "fail" for result in demanded) else 0


def _read(target: str, sessions: list[str] | None, *, promises: bool, as_json: bool) -> int:
    from storescope.apps._conformance_text import console, progress
    from storescope.apps._dry_run_text import show_dry_run
    from storescope.conformance import dry_run

    with progress("reading; nothing is written"):
        found = _with_map(target, lambda handlers: dry_run(handlers, sessions))
    if as_json:
        _print_json(found.to_dict())
    else:
        show_dry_run(found, console())
    if not found.clean or (promises and any(finding.kind == "not_json" for finding in found.findings)):
        return FAILED
    return 0 if found.complete else INCOMPLETE


def _with_map(target: str, work: Callable[[Handlers], Awaitable[T]]) -> T:
    """Open the map and do something with it."""
    from storescope.conformance._target import find_target, open_target

    async def main(found: Any) -> T:
        async with open_target(target, found) as handlers:
            return await work(handlers)

    folder = str(Path.cwd())
    if folder not in sys.path:  # a console script lacks it, which `python -m` would have
        sys.path.insert(0, folder)
    with redirect_stdout(sys.stderr):  # what the user's own code prints is no part of the results
        return asyncio.run(main(find_target(target)))


def _session_ids(file: TextIO | None) -> list[str] | None:
    """Read the ids, one a line."""
    if file is None:
        return None
    try:
        ids = [line.strip() for line in file]
    except UnicodeDecodeError:
        raise click.BadParameter("it is not UTF-8 text, one session id a line", param_hint="--sessions") from None
    ids = [id_ for id_ in ids if id_]
    if not ids:
        raise click.BadParameter("it names no session", param_hint="--sessions")
    return ids


def _results_for_json(results: list[Result]) -> dict[str, Any]:
    from storescope.apps._conformance_text import count

    return {
        "counts": {kind: count(results, kind) for kind in ("core", "promise")},
        "cases": [
            {
                "name": result.case.name,
                "kind": result.case.kind,
                "status": result.status,
                "why": result.why,
                "protects": result.case.protects,
            }
            for result in results
        ],
    }


def _print_json(found: dict[str, Any]) -> None:
    click.echo(json.dumps(found, indent=2))
