"""Messages that go from session to session in opposite directions, at once: none waits for the other for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, region_guard
from tests.policies import EU_ONLY, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers

_PATIENCE = 20.0  # seconds; calls that wait for each other would be refused after it


@pytest.fixture
async def pinned(tmp_path: Path) -> AsyncGenerator[Handlers]:
    """A map that follows the pins of a registry on the disk, which lets others go on while it writes."""
    async with (
        open_backend("memory:", region=REGION) as backend,
        await PinRegistry.open(f"local:{tmp_path}", wait_seconds=_PATIENCE) as pins,
    ):
        with call_context(tenant="acme", region=REGION):
            yield wrap(backend, region_guard(EU_ONLY, pins=pins))


@pytest.mark.parametrize("verb", ["set", "update"])
@pytest.mark.parametrize("ring", ["ab", "abc", "cba"])
async def test_messages_that_go_round_all_arrive(verb: str, ring: str, pinned: Handlers) -> None:
    """Each goes to the session that the next one leaves. Who has to wait lets go of what others wait for."""

    def put(message: str, session: str) -> Any:
        name = "updates" if verb == "update" else "value"
        return pinned[f"message.{verb}"](id=message, **{name: {"sessionId": session}})

    for session in ring:
        await pinned["message.set"](id=f"from {session}", value={"sessionId": session})
    to = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    await asyncio.gather(*(put(f"from {session}", to[session]) for session in ring))
    for session in ring:
        listed = await pinned["message.listBySession"](session_id=to[session])
        assert listed == [{"sessionId": to[session]}]
