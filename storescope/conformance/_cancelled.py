"""Cases of calls that their caller gives up: time-outs and closed connections cancel tasks every day."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, LISTED, UPDATED, Theme
from storescope.conformance._equal import difference, short
from storescope.conformance._probe import ExpectationError, fresh_id

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from storescope.conformance._probe import Probe

theme = Theme("cancelled calls")

# Turns of the event loop, then seconds: a handler on dicts ends within a few turns, one on a network does not.
# More rounds than a connection pool is commonly large, so that a lost connection each time is noticed.
_WAITS: tuple[int | float, ...] = (*range(16), 0.0002, 0.0005, 0.001, 0.002, 0.005)


async def _cancel(call: Coroutine[Any, Any, Any], wait: float) -> None:
    """Start a call and cancel it a little later. It may have ended before, and it may raise what it likes."""
    task = asyncio.ensure_future(call)
    if isinstance(wait, int):
        for _ in range(wait):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(wait)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _expect_usable(probe: Probe) -> None:
    id_ = fresh_id()
    value = await probe.add(id_, note="after")
    await probe.expect(id_, value, "other calls were cancelled")


def _expect_either(old: dict[str, Any], new: dict[str, Any], got: Any, what: str) -> None:
    if difference(old, got) and difference(new, got):
        raise ExpectationError(f"{what}: expected the old record or the new one, whole, got {short(got)}")


@theme.case("core", ENTITIES, "get", "set")
async def cancelled_set_leaves_whole_records(probe: Probe) -> None:
    """A `set` that is cancelled leaves the old record or the new one, whole, and the store usable."""
    for wait in _WAITS:
        id_ = fresh_id()
        old = await probe.add(id_, a="old", b="old", old=True)
        new = probe.record(id_, a="new", b="new")
        await _cancel(probe.set(id_, dict(new)), wait)
        _expect_either(old, new, await probe.get(id_), f"{probe.entity}.get after a cancelled set")
    await _expect_usable(probe)


@theme.case("core", UPDATED, "get", "set", "update")
async def cancelled_update_leaves_whole_records(probe: Probe) -> None:
    """An `update` that is cancelled leaves the record updated or not, whole, and the store usable."""
    updates = {"a": "new", "b": "new", "c": "new"}
    for wait in _WAITS:
        id_ = fresh_id()
        old = await probe.add(id_, a="old", b="old", kept=True)
        await _cancel(probe.update(id_, dict(updates)), wait)
        new = {**old, **updates}
        _expect_either(old, new, await probe.get(id_), f"{probe.entity}.get after a cancelled update")
    await _expect_usable(probe)


@theme.case("core", ENTITIES, "get", "set")
async def cancelled_get_answers_no_other_call(probe: Probe) -> None:
    """The answer to a `get` that was cancelled is not given to the next call."""
    first, second = fresh_id(), fresh_id()
    await probe.add(first, name="first")
    value = await probe.add(second, name="second")
    for wait in _WAITS:
        await _cancel(probe.get(first), wait)
        await probe.expect(second, value, "a get of another record was cancelled")


@theme.case("core", LISTED, "get", "set", "listBySession")
async def cancelled_set_lists_what_is_there(probe: Probe) -> None:
    """An insert that is cancelled is in the list if `get` finds it, and not if it does not."""
    for wait in _WAITS:
        id_, session = fresh_id(), fresh_id()
        await _cancel(probe.set(id_, probe.record(id_, session)), wait)
        # A handler in a thread goes on after its task was cancelled: what get sees only ever grows.
        before = await probe.get(id_) is not None
        listed = [row["id"] for row in await probe.listed(session)]
        after = await probe.get(id_) is not None
        if listed != [id_] * len(listed) or not before <= len(listed) <= after:
            raise ExpectationError(
                f"{probe.entity}.listBySession after a cancelled insert: "
                f"expected {int(after)} records, as get has it, got {len(listed)}"
            )
    await _expect_usable(probe)
