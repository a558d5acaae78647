"""`storescope residency move`: moves a session to another region, and keeps the proof."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storescope.apps._residency_options import backends, existing, label_key, open_stores, read_label_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from storescope.middleware import PinRegistry
    from storescope.middleware._region._moving._session import ProvenMove

_REFUSED = 1
_BROKEN_OFF = 3


def _seconds(name: str) -> Callable[[Any], Any]:
    return click.option(
        name,
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        help="As the agents open the registry.",
    )


@click.command()
@click.argument("session")
@click.option("--to", required=True, metavar="REGION", help="Where to move it.")
@click.option("--policy", required=True, type=click.Path(path_type=Path), help="The policy, a TOML file.")
@click.option("--pins", required=True, metavar="URL", help="The pin registry that the agents share.")
@backends(required=True)
@click.option(
    "--proof",
    type=click.Path(path_type=Path),
    default=Path("residency-proofs"),
    show_default=True,
    help="Where the proof goes: a file, NAME.json, or a folder for many.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The key that signs, NAME.key of `residency keygen`; residency.key beside the proof if left out.",
)
@click.option(
    "--ids",
    type=click.Choice(["hashed", "clear"]),
    default="hashed",
    show_default=True,
    help="How the proof names the session and its records.",
)
@label_key
@_seconds("--lease-seconds")
@_seconds("--settle-seconds")
@click.option("--json", "as_json", is_flag=True, help="Print what was moved as JSON.")
def move(session: str, *, as_json: bool, **options: Any) -> int:
    """Move SESSION with its messages and parts to another region, and write a signed proof of it.

    The session is fenced off, copied, verified, pinned to the new region, purged from the old one, proven, and
    opened again; calls on it wait meanwhile. It takes a backend for each of the two regions, opened as the agents
    open it. What breaks off, killed or not, the same command finishes; until then the session is out of use.

    Exit codes: 0 moved, 1 refused (nothing has moved, the session can be used), 2 usage, or a file, a store or the
    registry cannot be opened, 3 broken off: run the same command again.

    \b
    Example:
      storescope residency move s1 --to aws:us-east-1 --policy policy.toml --pins redis://pins:6379/0 \\
        --backend aws:eu-west-1=redis://eu:6379/0 --backend aws:us-east-1=redis://us:6379/0
    """
    from storescope.middleware import MoveRefusedError

    if options["to"] not in options["urls"]:
        raise click.UsageError(f"no --backend is given for {options['to']}")
    try:
        done = asyncio.run(_until_stopped(session, options))
    except MoveRefusedError as error:
        click.echo(f"storescope: refused, and nothing has moved: {error}", err=True)
        return _REFUSED
    except (_BrokenOffError, asyncio.CancelledError) as error:
        why = str(error) or "interrupted"
        click.echo(f"storescope: broken off ({why}); run the same command again: it finishes the move", err=True)
        return _BROKEN_OFF
    _show(done, as_json=as_json)
    return 0


class _BrokenOffError(Exception):
    """The move may have begun."""


async def _until_stopped(session: str, options: dict[str, Any]) -> ProvenMove:
    """Move; Ctrl-C and SIGTERM break it off in good order, so that the next mover need not wait as long."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "this is one"  # noqa: S101
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return await _move(session, options)


async def _move(session: str, options: dict[str, Any]) -> ProvenMove:
    from storescope.errors import BackendError
    from storescope.middleware import PinRegistry, PolicyFile, move_session
    from storescope.middleware._region._moving._signing import ProofError

    keys = read_label_keys(options["key_files"])
    async with AsyncExitStack() as stack:
        policy = stack.enter_context(PolicyFile(options["policy"]))
        stores = await open_stores(options["urls"], stack)
        pins = await PinRegistry.open(
            existing(options["pins"]),
            lease_seconds=options["lease_seconds"],
            settle_seconds=options["settle_seconds"],
        )
        stack.push_async_callback(_close, pins)
        progress = stack.enter_context(_progress())
        try:
            return await move_session(
                session,
                to=options["to"],
                backends=stores,
                policy=policy,
                pins=pins,
                proof=options["proof"],
                key=options["key"],
                ids=options["ids"],
                label_keys=keys,
                progress=progress,
            )
        except (BackendError, ProofError) as error:
            if isinstance(error, ProofError) and not error.retryable:  # before anything was changed
                raise
            raise _BrokenOffError(str(error)) from None


async def _close(pins: PinRegistry) -> None:
    """Leave the registry; if it does not answer, others find out that we are gone."""
    from storescope.errors import StorageError

    with suppress(StorageError):
        await pins.aclose()


@contextmanager
def _progress() -> Generator[Callable[[str, int, int], None]]:
    """Return what shows how far the move is, on a terminal; it says nothing to a file."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("opening", total=None)
        yield lambda what, done, total: shown.update(task, description=what, completed=done, total=total or None)


def _show(done: ProvenMove, *, as_json: bool) -> None:
    from storescope.middleware._region._moving._proof import counts_of
    from storescope.middleware._region._moving._proof_files import salt_path

    moved = done.moved
    counts = counts_of(moved.rows)
    if as_json:
        click.echo(json.dumps(_report(done, counts), indent=2))
    else:
        listed = ", ".join(f"{count} {entity}" for entity, count in counts.items())
        click.echo(f"moved from {moved.source} to {moved.target}: {len(moved.rows)} records ({listed})")
        click.echo(
            f"proof: {done.proof} (its salt, for auditors who may see the records: {salt_path(done.proof)})"
        )
    if done.public_key is not None:
        click.echo(f"{done.public_key}: made now; give it to auditors by another way than the proofs", err=True)
    if moved.late:
        click.echo(f"{len(moved.late)} unacknowledged late writes were purged at the source", err=True)
    if moved.left:
        click.echo(
            f"{moved.left} records at the source name the session, but not their own id, and are there still; "
            "look at them with `storescope residency scan`",
            err=True,
        )


def _report(done: ProvenMove, counts: dict[str, int]) -> dict[str, Any]:
    from storescope.middleware._region._moving._proof_files import salt_path

    moved = done.moved
    return {
        "move": moved.move,
        "source": moved.source,
        "target": moved.target,
        "counts": counts,
        "late": len(moved.late),
        "left_at_source": moved.left,
        "proof": str(done.proof),
        "salt": str(salt_path(done.proof)),
    }
