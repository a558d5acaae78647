"""A process that moves sessions back and forth by `storescope residency move`, and some where they must not go.

Its commands run one after the other in the process itself, which spares the second that each would take to start:
so whoever kills it kills the command, whatever that is doing.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING

from storescope.middleware._region._pins._pin import PINS, PinKey
from tests.faults.patience import patiently
from tests.region.policies import EU, US
from tests.region.proofs.regions import command
from tests.region.servers.logbook import Logbook, reporting
from tests.region.servers.places import ALLOWED, LEASE, SETTLE, SHARED, Places, open_pins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope.middleware import PinRegistry

MOVED, REFUSED, CANNOT_BEGIN, BROKEN_OFF = range(4)
"""The exit codes of the command."""

_SESSIONS = f"{PINS}session/"
_PAUSE = 0.1  # seconds


def move_arguments(session: str, to: str, places: Places, folder: Path) -> list[str]:
    """Return the command that moves a session, or finishes its move; policy, key and proofs are in a folder."""
    stores = [word for region, url in places.stores.items() for word in ("--backend", f"{region}={url}")]
    seconds = ("--lease-seconds", f"{LEASE}", "--settle-seconds", f"{SETTLE}")
    files = ("--policy", "policy.toml", "--key", "mover.key", "--proof", "proofs")
    return [
        *("residency", "move", session, "--to", to, "--pins", places.registry, *stores, *seconds),
        *(word if word.startswith("--") else str(folder / word) for word in files),
    ]


async def pinned_sessions(pins: PinRegistry) -> list[str]:
    """Return the sessions that have a pin."""
    found: list[str] = []
    after = None
    while True:
        page = await pins.engine.list(_SESSIONS, after=after)
        found += [listed.key.removeprefix(_SESSIONS) for listed in page.keys]
        after = page.after
        if after is None:
            return found


async def unfinished(pins: PinRegistry, session: str) -> str | None:
    """Return where a move of a session that was broken off goes; None if there is none."""
    seen = await pins.fences.read(PinKey("session", session))
    fence = seen.pin.fence if seen else None
    return fence.data["to"] if fence is not None and fence.why == "move" else None


async def _choose(places: Places, choose: Callable[[list[str]], str]) -> tuple[str, str]:
    """Choose one of the pinned sessions, and where it is not; or where a move of it goes that was broken off."""

    async def ask() -> tuple[str, str]:
        async with await open_pins(places.registry) as pins:
            session = choose(await pinned_sessions(pins))
            seen = await pins.fences.read(PinKey("session", session))
            assert seen is not None, "it was listed"
            return session, await unfinished(pins, session) or (US if seen.pin.region == EU else EU)

    return await patiently(ask)


def _move(session: str, to: str, places: Places, book: Logbook, folder: Path) -> None:
    """Move a session; it must be refused where its tenant may not be, and only there."""
    book.say("move", session, to)
    done = command(*move_arguments(session, to, places, folder))
    if done.code in {CANNOT_BEGIN, BROKEN_OFF}:
        assert "Usage" not in done.err, done.err
        book.say("felt", done.err)
        return
    allowed = to in ALLOWED[session.partition("-")[0]]
    assert done.code == (MOVED if allowed else REFUSED), f"{session} to {to}: {done.code}, {done.err}"
    book.say("moved" if allowed else "refused", session)


def run(path: Path, places: Places, number: int) -> None:
    """Run until killed."""
    random = Random(number)
    wishes: list[Callable[[list[str]], str]] = [
        lambda _: random.choice(SHARED["initech"]),
        lambda _: random.choice([*SHARED["acme"], *SHARED["globex"]]),
        random.choice,
    ]
    with reporting(path) as book:
        while True:
            for wish in wishes:
                session, to = asyncio.run(_choose(places, wish))
                _move(session, to, places, book, path.parent)
            time.sleep(_PAUSE)
