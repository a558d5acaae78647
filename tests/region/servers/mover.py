"""A process that moves sessions back and forth, and tries to move some where they must not go."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from storescope import BackendError
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._labels import Labels
from storescope.middleware._region._moving._move import Mover, MoveRefusedError
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pins._pin import PINS, PinKey
from tests.region.policies import EU, US
from tests.region.servers.logbook import Logbook, run_and_report
from tests.region.servers.places import ALLOWED, POLICY, SHARED, Opened, Places, opened

if TYPE_CHECKING:
    from pathlib import Path

_SESSIONS = f"{PINS}session/"
_PAUSE = 0.1  # seconds


async def move_session(here: Opened, session: str, to: str) -> None:
    """Move one session, or finish its move.

    Raises:
        MoveRefusedError: If it must not be moved.
        StorageError: If the same move must be made again.
    """
    sides = {region: Side(region, backend) for region, backend in here.stores.items()}
    await Mover(here.pins, FixedPolicy(POLICY), sides, Labels(name_ids=True), lambda _: None).move(session, to)


async def pinned_sessions(here: Opened) -> list[str]:
    """Return the sessions that have a pin."""
    found: list[str] = []
    after = None
    while True:
        page = await here.pins.engine.list(_SESSIONS, after=after)
        found += [listed.key.removeprefix(_SESSIONS) for listed in page.keys]
        after = page.after
        if after is None:
            return found


async def unfinished(here: Opened, session: str) -> str | None:
    """Return where a move of a session that was broken off goes; None if there is none."""
    seen = await here.pins.fences.read(PinKey("session", session))
    fence = seen.pin.fence if seen else None
    return fence.data["to"] if fence is not None and fence.why == "move" else None


async def _elsewhere(here: Opened, session: str) -> str:
    """Return where a session is not; or where a move of it goes that was broken off."""
    seen = await here.pins.fences.read(PinKey("session", session))
    assert seen is not None, "it was listed"
    return await unfinished(here, session) or (US if seen.pin.region == EU else EU)


async def _move(here: Opened, session: str, book: Logbook) -> None:
    """Move a session to the other region; it must be refused where its tenant may not be there."""
    to = await _elsewhere(here, session)
    book.say("move", session, to)
    try:
        await move_session(here, session, to)
        outcome = "moved"
    except MoveRefusedError:
        outcome = "refused"
    allowed = to in ALLOWED[session.partition("-")[0]]
    assert outcome == ("moved" if allowed else "refused"), f"{session} was {outcome} to {to}"
    book.say(outcome, session)


async def _work(book: Logbook, places: Places, number: int) -> None:
    random = Random(number)
    async with opened(places) as here:
        while True:
            try:
                await _move(here, random.choice(SHARED["initech"]), book)
                await _move(here, random.choice([*SHARED["acme"], *SHARED["globex"]]), book)
                await _move(here, random.choice(await pinned_sessions(here)), book)
            except BackendError as error:
                book.say("felt", type(error).__name__)
            await asyncio.sleep(_PAUSE)


def run(path: Path, places: Places, number: int) -> None:
    """Run until killed."""
    run_and_report(path, partial(_work, places=places, number=number))
