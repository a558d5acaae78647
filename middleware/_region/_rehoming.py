"""A message or part goes from one session to another: nobody else may reach the old one meanwhile.

The record is written first, the claim after it. Whoever finds the fence of a process that is gone looks at the
record, which says where it is, and brings the claim in line.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from storescope.errors import BackendError, StorageError
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._pin import Fence, PinKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.call import Call
    from storescope.middleware._region._members import Members
    from storescope.middleware._region._pins._fence import Fenced
    from storescope.middleware._region._pins._pin import Pin
    from storescope.middleware._region._pins._registry import PinRegistry

WHY = "rehome"
NOBODY = "nobody"  # a holder that is always gone
_BETWEEN_TRIES = 1.0  # seconds


class Rehoming:
    """Moves records between sessions, and ends what others left undone."""

    def __init__(self, registry: PinRegistry, members: Members) -> None:
        self._leases = registry.leases
        self._claims = registry.claims
        self._fences = registry.fences
        self._watch = registry.watch
        self._wait = registry.timing.wait
        self._members = members
        self._endings: set[asyncio.Task[None]] = set()

    async def run(
        self, call: Call, key: PinKey, old: PinKey, new: str, write: Callable[[Pin, str], Awaitable[Any]]
    ) -> Any:
        """Write a record into a new session while the old one is fenced off.

        Args:
            call: On whose behalf.
            key: The record.
            old: The session that has it.
            new: The session that it goes to.
            write: Writes it; given the pin of the old session, and the name under which it is fenced off.

        Returns:
            What `write` returned.

        Raises:
            SessionBusyError: If somebody else has one of the sessions to himself.
        """
        await self._leases.give_back(old)
        term = await self._leases.presence.join()
        seen = await self._fences.read(old)
        if seen is None or seen.pin.fence is not None:
            raise SessionBusyError
        # Told apart from an earlier one of the same record, which may still have to be taken down.
        data = {"entity": key.entity, "id": key.id, "to": new, "try": token_hex(8)}
        fenced = await self._put_up(
            old, seen, Fence(term.holder, WHY, data), lambda stands: self._take_down(old, stands)
        )
        if fenced is None:
            raise SessionBusyError
        is_drained = False
        try:
            fenced = await self._fences.drain(old, fenced, seconds=self._wait)
            is_drained = True
            return await write(fenced.pin, term.holder)
        finally:
            await self._end(
                lambda: self._repair(call, old, fenced) if is_drained else self._take_down(old, fenced)
            )

    async def take_over(self, call: Call, key: PinKey, pin: Pin) -> None:
        """End the rehoming of a process that is gone; do nothing if it lives, or if the session is being moved."""
        fence = pin.fence
        if fence is None or fence.why != WHY or not await self._watch.is_gone(fence.by):
            return
        term = await self._leases.presence.join()
        seen = await self._fences.read(key)
        if seen is None or seen.pin.fence != fence:
            return

        async def repair(fenced: Fenced) -> None:
            await self._repair(call, key, await self._fences.drain(key, fenced))

        fenced = await self._put_up(key, seen, replace(fence, by=term.holder), repair)
        if fenced is not None:
            await self._end(lambda: repair(fenced))

    async def _put_up(
        self, key: PinKey, seen: Fenced, fence: Fence, end: Callable[[Fenced], Awaitable[None]]
    ) -> Fenced | None:
        """Put up a fence; None if somebody was quicker. Without an answer, see to it that it is ended.

        Nobody else ends it while this process lives.
        """
        try:
            return await self._fences.put_up(key, seen, fence)
        except BaseException:
            await self._end(lambda: self._end_if_it_stands(key, seen, fence, end))
            raise

    async def _end_if_it_stands(
        self, key: PinKey, seen: Fenced, fence: Fence, end: Callable[[Fenced], Awaitable[None]]
    ) -> None:
        now = await self._fences.read(key)
        while now is not None and now.version == seen.version:  # it may be on its way, and must come too late
            now = await self._fences.change(key, now, now.pin) or await self._fences.read(key)
        if now is not None and now.pin.fence == fence:
            await end(now)

    async def _end(self, ending: Callable[[], Awaitable[None]]) -> None:
        """End a fence, whatever becomes of the call; the call waits for it, but not for ever."""
        task = asyncio.create_task(_until_done(ending), name="storescope-rehoming")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        await asyncio.wait({task}, timeout=self._wait)

    async def _repair(self, call: Call, old: PinKey, fenced: Fenced) -> None:
        """Bring the claim in line with the record, and take the fence down."""
        fence = fenced.pin.fence
        assert fence is not None, "it is the one that we put up"  # noqa: S101
        key, member = (
            PinKey(fence.data["entity"], fence.data["id"]),
            self._members.by_region.get(fenced.pin.region),
        )
        if member is None or not member.memory.ask(call.operation.name, call).allowed:
            await self._abandon(old, fenced)
            return
        record = await member.look(key.entity, key.id, call)
        has_gone = record is None or record.get("sessionId") == fence.data["to"]
        owner = fence.data["to"] if has_gone else old.id
        await self._claims.move(key, old.id, owner, lambda: self._make_sure(fence))
        await self._take_down(old, fenced)

    def _make_sure(self, fence: Fence) -> None:
        """Make sure that nobody can have taken the fence over yet.

        Raises:
            SessionBusyError: If this process has another name by now: the fence is left to whoever comes.
            BackendError: If it is not certain before the next renewal.
        """
        presence = self._leases.presence
        if presence.term is None or presence.term.holder != fence.by:
            raise SessionBusyError
        if not presence.is_known_as(fence.by):
            raise BackendError("the pin registry could not be reached", retryable=True)

    async def _abandon(self, old: PinKey, fenced: Fenced) -> None:
        """Leave the fence to whoever may look at the record, or moves the session: the policy forbids us to."""
        if fenced.pin.fence is not None:
            await self._fences.change(old, fenced, replace(fenced.pin, fence=replace(fenced.pin.fence, by=NOBODY)))

    async def _take_down(self, old: PinKey, fenced: Fenced) -> None:
        while (seen := await self._fences.read(old)) is not None and seen.pin.fence == fenced.pin.fence:
            await self._fences.change(old, seen, replace(seen.pin, fence=None))


async def _until_done(ending: Callable[[], Awaitable[None]]) -> None:
    """Try until it is done, or somebody else has taken over."""
    while True:
        try:
            return await ending()
        except SessionBusyError:
            return None
        except StorageError:
            await asyncio.sleep(_BETWEEN_TRIES)
