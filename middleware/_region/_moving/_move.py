"""One move: fence the session off, copy, verify, switch the pin, purge, prove. Each step can be done again.

Until the pin is switched the source counts, and what was copied is thrown away if the move is given up. From then
on the target counts, and what is left at the source is purged. A mover that was taken for dead touches nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storescope.errors import (
    BackendError,
    InvalidRecordError,
    RecordTooLargeError,
    StorageError,
    UnsupportedOperationError,
)
from storescope.middleware._region._engine import may_rest
from storescope.middleware._region._moving import _journal as journal
from storescope.middleware._region._moving._journal import data_of, fence_of, noting
from storescope.middleware._region._pins._pin import SPLIT, Fence, PinKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storescope.middleware._region._labels import Labels
    from storescope.middleware._region._memory import PolicySource
    from storescope.middleware._region._moving._journal import Moved
    from storescope.middleware._region._moving._rows import Row, Side
    from storescope.middleware._region._pins._fence import Fenced
    from storescope.middleware._region._pins._pin import Pin
    from storescope.middleware._region._pins._registry import PinRegistry
    from storescope.middleware._region._policy import ResidencyPolicy

WHY = "move"
_BETWEEN_LOOKS = 0.5  # seconds, while a mover before us may still be alive


class MoveRefusedError(StorageError):
    """The move must not be made, or there is nothing to move. Nothing has moved, and the session can be used."""


class Mover:
    """Moves sessions between the stores of several regions."""

    def __init__(  # noqa: PLR0913 (the last one is seldom given)
        self,
        registry: PinRegistry,
        source: PolicySource,
        sides: Mapping[str, Side],
        labels: Labels,
        on_moved: Callable[[Moved], None],
        *,
        progress: Callable[[str, int, int], None] = lambda *_: None,
    ) -> None:
        """Make it.

        Args:
            registry: Where sessions are pinned.
            source: The policy in force.
            sides: Region -> store.
            labels: Checks and makes labels.
            on_moved: Called before the session can be used again: it keeps the proof.
            progress: Told what is done, for how many records, and of how many.
        """
        self._registry = registry
        self._source = source
        self._sides = sides
        self._labels = labels
        self._on_moved = on_moved
        self._progress = progress

    async def move(self, session: str, to: str) -> Moved:
        """Move a session, or finish a move of it that was broken off.

        Args:
            session: The session's id.
            to: The region to move it to.

        Returns:
            What was moved.

        Raises:
            MoveRefusedError: If it must not be moved, or is not pinned; nothing has changed.
            StorageError: If a store or the registry failed. Make the same move again to finish it.
        """
        key = PinKey("session", session)
        with self._registry.fences.alone(key):
            return await self._move(key, to)

    async def _move(self, key: PinKey, to: str) -> Moved:
        seen = await self._registry.fences.read(key)
        if seen is None:
            raise MoveRefusedError("no such session is pinned")
        fence = seen.pin.fence
        if fence is None:
            return await self._begin(key, seen, to)
        if fence.why == SPLIT:
            raise MoveRefusedError("the session is split; look at it with `storescope residency scan`")
        if fence.why != WHY:
            await self._end_rehoming(key, seen)
            return await self._move(key, to)
        if fence.data["to"] != to:
            raise MoveRefusedError(
                f"a move of the session to {fence.data['to']} was not finished; finish that first"
            )
        return await self._go_on(key, await self._take_over(key, seen))

    async def _begin(self, key: PinKey, seen: Fenced, to: str) -> Moved:
        await self._check(seen, to)
        term = await self._registry.leases.presence.join()
        data = journal.begun(seen.pin.region, to)
        fenced = await self._registry.fences.put_up(key, seen, Fence(term.holder, WHY, data))
        if fenced is None:
            raise BackendError("the session's pin changed meanwhile; try again", retryable=True)
        await self._registry.leases.give_back(key)
        return await self._go_on(key, fenced)

    async def _check(self, seen: Fenced, to: str) -> None:
        if seen.pin.region == to:
            raise MoveRefusedError(f"the session is in {to} already, and no move of it is unfinished")
        for region in (seen.pin.region, to):
            if region not in self._sides:
                raise MoveRefusedError(f"no backend was given for {region}")
        self._check_policy(seen.pin.tenant, self._sides[to])
        for region in (seen.pin.region, to):
            try:
                await self._sides[region].try_purge(seen.pin.tenant)
            except UnsupportedOperationError as error:
                raise MoveRefusedError(f"nothing can be purged in {region}: {error}") from None

    def _check_policy(self, tenant: str, target: Side) -> ResidencyPolicy:
        """Return the policy in force if it lets the session rest there."""
        policy = self._source.current
        code = may_rest(policy, tenant, target.backend.info, time.time())
        if code != "allowed":
            raise MoveRefusedError(f"the policy does not let the session rest in {target.region}: {code}")
        return policy

    async def _end_rehoming(self, key: PinKey, seen: Fenced) -> None:
        """Wait until a message has gone to another session; end it for a process that is gone."""
        fence = fence_of(seen)
        while not await self._registry.watch.is_gone(fence.by):
            await asyncio.sleep(_BETWEEN_LOOKS)
            now = await self._registry.fences.read(key)
            if now is None or now.pin.fence != fence:
                return
        taken = await self._registry.fences.drain(key, await self._take_over(key, seen))
        moved = PinKey(fence.data["entity"], fence.data["id"])
        record = await self._side(taken.pin.region).get(moved.entity, moved.id, taken.pin.tenant)
        has_gone = record is None or record.get("sessionId") == fence.data["to"]
        owner = fence.data["to"] if has_gone else key.id
        await self._registry.claims.move(moved, key.id, owner, lambda: self._make_sure(taken))
        await self._change(key, taken, replace(taken.pin, fence=None))

    async def _take_over(self, key: PinKey, seen: Fenced) -> Fenced:
        """Take over from a mover that is gone; wait until that is certain."""
        fence = seen.pin.fence
        assert fence is not None, "the caller looked"  # noqa: S101
        self._progress("waiting until it is certain that the mover before this one is gone", 0, 0)
        own = self._registry.leases.presence.term
        if own is not None and own.holder == fence.by:  # an earlier try of ours: what it sent may be under way
            await asyncio.sleep(self._registry.timing.settle)
        else:
            while not await self._registry.watch.is_gone(fence.by):  # noqa: ASYNC110 (it is another process)
                await asyncio.sleep(_BETWEEN_LOOKS)
        term = await self._registry.leases.presence.join()
        taken = await self._registry.fences.put_up(key, seen, replace(fence, by=term.holder))
        if taken is None:
            raise BackendError("another process goes on with the move", retryable=True)
        return taken

    async def _go_on(self, key: PinKey, fenced: Fenced) -> Moved:
        data = data_of(fenced)
        source, target = self._side(data["from"]), self._side(data["to"])
        self._progress("waiting for calls on the session to end", 0, 0)
        fenced = await self._registry.fences.drain(key, fenced)
        if fenced.pin.region == source.region:
            try:
                fenced = await self._copy(key, fenced, source, target)
            except MoveRefusedError:
                await self._give_up(key, fenced, target)
                raise
        fenced, left = await self._purge(key, fenced, source)
        moved = journal.moved(key.id, fenced.pin, data_of(fenced), left)
        self._make_sure(fenced)
        self._on_moved(moved)
        await self._change(key, fenced, replace(fenced.pin, fence=None))
        return moved

    def _side(self, region: str) -> Side:
        side = self._sides.get(region)
        if side is None:
            raise BackendError(f"no backend was given for {region}; make the move again with one")
        return side

    async def _copy(self, key: PinKey, fenced: Fenced, source: Side, target: Side) -> Fenced:
        """Copy, verify, and switch the pin."""
        tenant, session = fenced.pin.tenant, key.id
        rows = await source.rows(session, tenant)
        self._check_labels(rows, tenant, source)
        there = await target.rows(session, tenant)
        strange = [row for row in there if self._fault(row, tenant, target)]
        if strange or (there and data_of(fenced)["fresh"]):
            raise MoveRefusedError(
                f"the session is split: {len(strange or there)} of its records lie in {target.region} already"
            )
        fenced = await self._change(key, fenced, noting(fenced, {**data_of(fenced), "fresh": False}))
        for row in reversed(there):  # of an earlier try
            self._make_sure(fenced)
            await target.purge(row, tenant)
        for number, row in enumerate(rows):
            self._progress("copying", number, len(rows))
            self._check_policy(tenant, target)
            self._make_sure(fenced)
            await self._put(row, tenant, target)
            await self._claim(row, session, fenced)
        if _contents(await target.rows(session, tenant)) != _contents(rows):
            raise BackendError(f"what lies in {target.region} now is not what was copied; make the move again")
        policy = self._check_policy(tenant, target)
        pin = noting(fenced, journal.switched(data_of(fenced), rows, policy))
        return await self._change(key, fenced, replace(pin, region=target.region, epoch=pin.epoch + 1))

    def _check_labels(self, rows: list[Row], tenant: str, source: Side) -> None:
        for row in rows:
            fault = self._fault(row, tenant, source)
            if fault is not None:
                raise MoveRefusedError(
                    f"a {row.entity} of the session has a wrong label ({fault}), and would get a right one; look "
                    "at it with `storescope residency scan`"
                )

    def _fault(self, row: Row, tenant: str, side: Side) -> str | None:
        """Return what is wrong with a label; None if the guard or a move may have written the record there."""
        code = self._labels.fault(row.entity, row.id or None, row.record, tenant=tenant, region=side.region)
        return code if code is not None or row.id else "it does not name the id"

    async def _put(self, row: Row, tenant: str, target: Side) -> None:
        label = self._labels.make(row.entity, row.id, row.bare, tenant=tenant, region=target.region)
        try:
            await target.put(row, label, tenant)
        except (RecordTooLargeError, InvalidRecordError) as error:  # it would be so each time
            raise MoveRefusedError(
                f"the store in {target.region} does not take a {row.entity} of the session: {error}"
            ) from None

    async def _claim(self, row: Row, session: str, fenced: Fenced) -> None:
        """Bring a claim in line with the record, if a process died while it put that into this session."""
        if row.entity == "session":
            return
        key, claims = PinKey(row.entity, row.id), self._registry.claims
        owner = await claims.read(key) or await claims.claim(key, session)
        if owner != session:
            await claims.move(key, owner, session, lambda: self._make_sure(fenced))

    async def _give_up(self, key: PinKey, fenced: Fenced, target: Side) -> None:
        """Throw away what was copied, and let the session be used where it is."""
        seen = await self._registry.fences.read(key)
        if seen is None or seen.pin.fence is None or seen.pin.fence.by != fence_of(fenced).by:
            return
        tenant = seen.pin.tenant
        copies = [] if data_of(seen)["fresh"] else await target.rows(key.id, tenant)
        for row in reversed(copies):
            if self._fault(row, tenant, target) is None:  # else it is none of ours
                self._make_sure(seen)
                await target.purge(row, tenant)
        await self._change(key, seen, replace(seen.pin, fence=None))

    async def _purge(self, key: PinKey, fenced: Fenced, source: Side) -> tuple[Fenced, int]:
        """Purge the source until nothing is left there, or nothing that can be purged; return how much that is.

        What was not copied is noted first: who finishes the move must know of it.
        """
        tenant = fenced.pin.tenant
        while rows := await source.rows(key.id, tenant):
            data = data_of(fenced)
            noted = journal.late(data, rows)
            if noted != data:
                fenced = await self._change(key, fenced, noting(fenced, noted))
            gone = False
            for number, row in enumerate(reversed(rows)):
                self._progress("purging", number, len(rows))
                self._make_sure(fenced)
                gone = await source.purge(row, tenant) or gone
            if not gone:
                break
        return fenced, len(rows)

    async def _change(self, key: PinKey, fenced: Fenced, pin: Pin) -> Fenced:
        self._make_sure(fenced)
        changed = await self._registry.fences.change(key, fenced, pin)
        if changed is None:
            raise BackendError("another process took the move over", retryable=True)
        return changed

    def _make_sure(self, fenced: Fenced) -> None:
        """Make sure that nobody can have taken the move over yet."""
        if not self._registry.leases.presence.is_known_as(fence_of(fenced).by):
            raise BackendError("the pin registry could not be reached; make the move again", retryable=True)


def _contents(rows: list[Row]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(row.entity, row.id, row.bare) for row in rows]
