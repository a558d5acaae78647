"""Cases of `update`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from storescope.conformance._case import LISTED, UPDATED, Theme
from storescope.conformance._equal import short
from storescope.conformance._probe import ExpectationError, HandlerError, expect, fresh_id, named
from storescope.errors import RecordNotFoundError

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme("update")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_merges(probe: Probe) -> None:
    """`update` adds and replaces the fields that it names, and leaves the others."""
    id_ = fresh_id()
    before = await probe.add(id_, kept="kept", changed="old", nothing=1)
    await probe.update(id_, {"changed": "new", "added": [1], "nothing": None})
    after = {**before, "changed": "new", "added": [1], "nothing": None}
    await probe.expect(id_, after, "update")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_merges_shallowly(probe: Probe) -> None:
    """`update` replaces a nested object whole: it does not merge into it."""
    id_ = fresh_id()
    before = await probe.add(id_, nested={"old": 1, "both": 1}, listed=[1, 2, 3])
    await probe.update(id_, {"nested": {"both": 2}, "listed": [4]})
    await probe.expect(id_, {**before, "nested": {"both": 2}, "listed": [4]}, "update of a nested object")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_returns_the_record(probe: Probe) -> None:
    """`update` returns the whole updated record, the same that `get` then returns."""
    id_ = fresh_id()
    before = await probe.add(id_, kept="kept", changed="old")
    for step in range(2):
        returned = await probe.update(id_, {"changed": step})
        expect({**before, "changed": step}, returned, f"what {probe.entity}.update returned")
        await probe.expect(id_, returned, "update, compared with what update returned")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_with_nothing(probe: Probe) -> None:
    """`update` with no fields returns the record whole and changes nothing."""
    id_ = fresh_id()
    before = await probe.add(id_, kept="kept")
    expect(before, await probe.update(id_, {}), f"what {probe.entity}.update with {{}} returned")
    await probe.expect(id_, before, "update with {}")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_may_name_its_id(probe: Probe) -> None:
    """`update` accepts the record's own id, and the session that it is in, among the updates."""
    id_ = fresh_id()
    before = await probe.add(id_, kept="kept")
    await probe.update(id_, probe.record(id_, added=1))
    await probe.expect(id_, {**before, "added": 1}, "update that names the record's own id")


@theme.case("core", UPDATED, "update")
async def update_of_missing_raises(probe: Probe) -> None:
    """`update` of a record that does not exist raises."""
    try:
        returned = await probe.update(fresh_id(), {"a": 1})
    except HandlerError:
        return
    raise ExpectationError(
        f"{probe.entity}.update of a missing record: expected an exception, got {short(returned)}"
    )


@theme.case("core", UPDATED, "get", "update")
async def update_creates_nothing(probe: Probe) -> None:
    """`update` of a record that does not exist creates none."""
    id_ = fresh_id()
    await _update_missing(probe, id_)
    await probe.expect(id_, None, "update of a missing record")


@theme.case("core", tuple(entity for entity in UPDATED if entity in LISTED), "update", "listBySession")
async def update_lists_nothing(probe: Probe) -> None:
    """`update` of a record that does not exist puts none into a session's list."""
    await _update_missing(probe, fresh_id())
    await probe.expect_list(probe.session, [], "update of a missing record")


async def _update_missing(probe: Probe, id_: str) -> None:
    with suppress(HandlerError):  # whether it raises is a case of its own
        await probe.update(id_, probe.record(id_))


@theme.case("promise", UPDATED, "update")
async def update_of_missing_names_the_record(probe: Probe) -> None:
    """`update` of a missing record raises `RecordNotFoundError`, which says of what kind it is and its id."""
    id_ = fresh_id()
    what = f"{probe.entity}.update of a missing record"
    try:
        await probe.update(id_, {"a": 1})
    except HandlerError as caught:
        error = caught.error
        if not isinstance(error, RecordNotFoundError):
            raise ExpectationError(f"{what}: expected RecordNotFoundError, got {named(error)}") from caught
        expect((probe.entity, id_), (error.entity, error.id), f"{what}: the error's entity and id")
        return
    raise ExpectationError(f"{what}: expected RecordNotFoundError, but it was accepted")
