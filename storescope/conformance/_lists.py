"""Cases of `listBySession`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.conformance._case import LISTED, UPDATED, Theme
from storescope.conformance._probe import NotApplicableError, expect, fresh_id

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme("listBySession")


def _ids(count: int) -> list[str]:
    """Return ids whose alphabetical order is the reverse of their own."""
    return [fresh_id(f"{count - place:03d}-") for place in range(count)]


async def _fill(probe: Probe, count: int = 6) -> list[str]:
    """Insert records so that neither ids nor timestamps sort in the order of insertion."""
    ids = _ids(count)
    for place, id_ in enumerate(ids):
        await probe.add(id_, createdAt=1000 - place)
    return ids


@theme.case("core", LISTED, "listBySession")
async def empty_session_is_empty_list(probe: Probe) -> None:
    """The list of a session without records is `[]`, not None and not an error."""
    expect([], await probe.listed(probe.session), f"{probe.entity}.listBySession of an unknown session")


@theme.case("core", LISTED, "set", "listBySession")
async def list_in_order_of_insertion(probe: Probe) -> None:
    """A session's records are listed in the order in which they were first inserted."""
    ids = await _fill(probe, 12)
    await probe.expect_list(probe.session, ids, "twelve inserts")
    await probe.expect_list(probe.session, ids, "twelve inserts, listed again")


@theme.case("core", LISTED, "set", "listBySession")
async def list_returns_whole_records(probe: Probe) -> None:
    """The list holds the records themselves, as they were last set."""
    ids = _ids(3)
    for id_ in ids:
        await probe.add(id_, old=True)
    values = [await probe.add(id_, nested={"place": place}) for place, id_ in enumerate(ids)]
    expect(values, await probe.listed(probe.session), f"{probe.entity}.listBySession")


@theme.case("core", LISTED, "set", "listBySession")
async def set_again_keeps_the_place(probe: Probe) -> None:
    """A record that is set again keeps its place in the list."""
    ids = await _fill(probe)
    for place in (2, 0):
        await probe.add(ids[place], again=True)
        await probe.expect_list(probe.session, ids, f"record #{place + 1} was set again")


@theme.case("core", tuple(entity for entity in LISTED if entity in UPDATED), "set", "update", "listBySession")
async def update_keeps_the_place(probe: Probe) -> None:
    """A record that is updated keeps its place in the list, and the list shows the update."""
    ids = await _fill(probe)
    await probe.update(ids[1], {"text": "new"})
    await probe.update(ids[0], {"sessionId": probe.session})  # the same session: not a move
    await probe.expect_list(probe.session, ids, "records #2 and #1 were updated")
    rows = await probe.listed(probe.session)
    expect("new", rows[1].get("text"), f"the updated field in {probe.entity}.listBySession")


@theme.case("core", LISTED, "set", "listBySession")
async def list_holds_only_its_session(probe: Probe) -> None:
    """A list holds no record of another session, however alike the sessions' ids are."""
    base = fresh_id("s_")
    sessions = [base, f"{base}1", f"{base}:", f"{base}%", base.replace("_", "x"), base[:-1], base.upper()]
    placed = [(session, fresh_id()) for session in sessions]
    for session, id_ in placed:
        await probe.add(id_, session)
    for session, id_ in placed:
        await probe.expect_list(session, [id_], "inserts into sessions with similar ids")


@theme.case("core", LISTED, "set", "listBySession")
async def messages_and_parts_do_not_mix(probe: Probe) -> None:
    """A message and a part of one session may have the same id; each is in its own list alone."""
    other = probe.of("part" if probe.entity == "message" else "message")
    if not (other.has("set") and other.has("listBySession")):
        raise NotApplicableError(f"the map has no {other.entity}.set and {other.entity}.listBySession")
    shared, own, others = fresh_id(), fresh_id(), fresh_id()
    await other.add(others, probe.session)
    await other.add(shared, probe.session)
    await probe.add(shared, kind=probe.entity)
    await probe.add(own, kind=probe.entity)
    await probe.expect_list(probe.session, [shared, own], f"{other.entity}s were set in the same session")
    rows = await probe.listed(probe.session)
    expect(probe.entity, rows[0].get("kind"), "the kind of the record whose id both have")
