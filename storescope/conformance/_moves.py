"""Cases of a message or part that goes to another session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.conformance._case import LISTED, UPDATED, Theme
from storescope.conformance._probe import fresh_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.conformance._probe import Probe

theme = Theme("moves to another session")
_MOVED_BY_UPDATE = tuple(entity for entity in LISTED if entity in UPDATED)


class _TwoSessions:
    """A session with three records, the second of which moves, and one with another record."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.old, self.new = fresh_id("old-"), fresh_id("new-")
        # The mover sorts first by its id: only the order of insertion puts it last.
        self.first, self.mover, self.third = fresh_id("1-"), fresh_id("0-"), fresh_id("2-")
        self.there = fresh_id("3-")

    async def fill(self) -> None:
        for id_ in (self.first, self.mover, self.third):
            await self.probe.add(id_, self.old)
        await self.probe.add(self.there, self.new)

    async def expect_moved(self, how: str) -> None:
        await self.probe.expect_list(self.old, [self.first, self.third], f"{how}, in the session it left")
        await self.probe.expect_list(self.new, [self.there, self.mover], f"{how}, in the session it went to")

    async def expect_moved_back(self, how: str) -> None:
        back = [self.first, self.third, self.mover]
        await self.probe.expect_list(self.old, back, f"{how}, in the session it came back to")
        await self.probe.expect_list(self.new, [self.there], f"{how}, in the session it left")


@theme.case("core", LISTED, "get", "set", "listBySession")
async def move_by_set(probe: Probe) -> None:
    """`set` with another sessionId moves a record: it leaves the old list and goes last in the new one."""
    two = _TwoSessions(probe)
    await two.fill()
    value = await probe.add(two.mover, two.new, moved=True)
    await two.expect_moved("a move by set")
    await probe.expect(two.mover, value, "a move by set")


@theme.case("core", _MOVED_BY_UPDATE, "get", "set", "update", "listBySession")
async def move_by_update(probe: Probe) -> None:
    """`update` of sessionId moves a record: it leaves the old list and goes last in the new one."""
    two = _TwoSessions(probe)
    await two.fill()
    await probe.update(two.mover, {"sessionId": two.new})
    await two.expect_moved("a move by update")
    await probe.expect(two.mover, probe.record(two.mover, two.new), "a move by update")


@theme.case("core", LISTED, "set", "listBySession")
async def move_back_by_set(probe: Probe) -> None:
    """A record that `set` moves away and back goes last: its first place is not kept for it."""
    await _there_and_back(probe, probe.add, "a move there and back by set")


@theme.case("core", _MOVED_BY_UPDATE, "set", "update", "listBySession")
async def move_back_by_update(probe: Probe) -> None:
    """A record that `update` moves away and back goes last: its first place is not kept for it."""

    async def move(id_: str, session: str) -> None:
        await probe.update(id_, {"sessionId": session})

    await _there_and_back(probe, move, "a move there and back by update")


async def _there_and_back(probe: Probe, move: Callable[[str, str], Awaitable[object]], how: str) -> None:
    two = _TwoSessions(probe)
    await two.fill()
    await move(two.mover, two.new)
    await move(two.mover, two.old)
    await two.expect_moved_back(how)


@theme.case("core", LISTED, "set", "listBySession")
async def moved_record_keeps_its_new_place(probe: Probe) -> None:
    """A record that moved keeps its place in the new list when it is set again or others come after it."""
    two = _TwoSessions(probe)
    await two.fill()
    await probe.add(two.mover, two.new)
    later = fresh_id("4-")
    await probe.add(later, two.new)
    await probe.add(two.mover, two.new, again=True)
    await probe.expect_list(two.new, [two.there, two.mover, later], "a move, an insert, and the mover set again")
