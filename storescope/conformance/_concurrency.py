"""Cases of many tasks of one process on the same records."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, LISTED, UPDATED, Theme
from storescope.conformance._equal import difference, short
from storescope.conformance._probe import ExpectationError, expect, fresh_id, together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.conformance._probe import Probe

theme = Theme("many tasks at once")

FIFTY = 50
_ROUNDS = 10
_FIELDS = tuple(f"field{number}" for number in range(8))


def fifty_fields() -> list[dict[str, Any]]:
    """Return fifty updates, each of a field of its own."""
    return [{f"field{number}": number} for number in range(FIFTY)]


def expect_all_fields(before: dict[str, Any], got: Any, what: str) -> None:
    """Demand that all fifty updates survived."""
    fields = {name: value for updates in fifty_fields() for name, value in updates.items()}
    kept = len(fields.keys() & got.keys()) if isinstance(got, dict) else 0
    if kept != FIFTY:
        raise ExpectationError(
            f"{what}: expected all fifty fields, got {kept}; "
            "an update that reads the record and then sets it loses what others write in between"
        )
    expect({**before, **fields}, got, what)


@theme.case("core", UPDATED, "get", "set", "update")
async def concurrent_updates_survive(probe: Probe) -> None:
    """Of fifty concurrent updates of one record to different fields, fifty survive."""
    id_ = fresh_id()
    before = await probe.add(id_, note="before")
    returned = await together(*(probe.update(id_, updates) for updates in fifty_fields()))
    expect_all_fields(before, await probe.get(id_), f"{probe.entity}.get after fifty concurrent updates")
    for updates, record in zip(fifty_fields(), returned, strict=True):
        own = {name: record.get(name) for name in ("note", *updates)}
        expect({"note": "before", **updates}, own, f"what a concurrent {probe.entity}.update returned")


@theme.case("core", LISTED, "set", "listBySession")
async def concurrent_inserts_are_listed(probe: Probe) -> None:
    """Of fifty records inserted concurrently into one session, each is listed, once, in an order that stays."""
    ids = [fresh_id() for _ in range(FIFTY)]
    await together(*(probe.add(id_) for id_ in ids))
    await expect_same_order(probe, ids, "fifty concurrent inserts")


async def expect_same_order(probe: Probe, ids: list[str], after: str) -> None:
    """Demand that the probe's session lists these records, each once, in any order that stays."""
    rows = [row["id"] for row in await probe.listed(probe.session)]
    if sorted(rows) != sorted(ids):
        raise ExpectationError(
            f"{probe.entity}.listBySession after {after}: expected {len(ids)} records, each once, "
            f"got {len(rows)}, of which {len(set(ids) & set(rows))} were inserted"
        )
    await probe.expect_list(probe.session, rows, f"{after}, listed again")


@theme.case("core", ENTITIES, "get", "set")
async def concurrent_gets_see_whole_records(probe: Probe) -> None:
    """A `get` beside a `set` of the same record returns the old or the new one, whole."""
    id_ = fresh_id()

    async def read() -> None:
        _expect_whole(await probe.get(id_), f"{probe.entity}.get beside concurrent sets")

    await _read_beside_sets(probe, [id_], read)


@theme.case("core", LISTED, "set", "listBySession")
async def concurrent_lists_see_whole_records(probe: Probe) -> None:
    """A list beside a `set` of its records shows each of them once, in its place, old or new but whole."""
    ids = [fresh_id(f"{9 - place}-") for place in range(5)]
    what = f"{probe.entity}.listBySession beside concurrent sets"

    async def read() -> None:
        rows = await probe.listed(probe.session)
        for row in rows:
            _expect_whole(row, what)
        expect(ids, [row["id"] for row in rows], f"{what}: the ids")

    await _read_beside_sets(probe, ids, read)


async def _read_beside_sets(probe: Probe, ids: list[str], read: Callable[[], Awaitable[None]]) -> None:
    """Set the records again and again in two tasks, and read all the while in two others."""
    for id_ in ids:
        await _set_version(probe, id_, 0)
    writers = [asyncio.ensure_future(_set_versions(probe, ids, first)) for first in (1, 1001)]

    async def read_on() -> None:
        while not all(writer.done() for writer in writers):
            await read()
            await asyncio.sleep(0)  # a handler that never waits would let no writer run

    await together(*writers, read_on(), read_on())


async def _set_versions(probe: Probe, ids: list[str], first: int) -> None:
    for version in range(first, first + _ROUNDS):
        for id_ in ids:
            await _set_version(probe, id_, version)


async def _set_version(probe: Probe, id_: str, version: int) -> None:
    await probe.set(id_, probe.record(id_, **dict.fromkeys(_FIELDS, version)))


def _expect_whole(record: Any, what: str) -> None:
    versions: set[Any] = {record.get(field) for field in _FIELDS} if isinstance(record, dict) else {None}
    if len(versions) != 1 or None in versions:
        raise ExpectationError(f"{what}: expected one version of the record, whole, got {short(record)}")


@theme.case("core", LISTED, "get", "set", "listBySession")
async def concurrent_moves_end_in_one_list(probe: Probe) -> None:
    """A record that several calls move at once ends in the list of the session that it names, and in no other."""
    sessions = [fresh_id(f"{place}-") for place in range(5)]
    ids = [fresh_id() for _ in range(4)]
    for id_ in ids:
        await probe.add(id_, sessions[0])
    await together(*(probe.add(id_, session) for id_ in ids for session in sessions))
    listed = {session: [row["id"] for row in await probe.listed(session)] for session in sessions}
    for id_ in ids:
        home = (await probe.get(id_))["sessionId"]
        within = [session for session in sessions for _ in range(listed[session].count(id_))]
        if within != [home]:
            raise ExpectationError(
                f"{probe.entity}.listBySession after concurrent moves: expected the record in one list, "
                f"that of its sessionId, got it in {len(within)}"
            )


@theme.case("promise", UPDATED, "get", "set", "update")
async def update_undoes_no_set(probe: Probe) -> None:
    """An `update` beside a `set` of the same record leaves what one of the two orders would have left."""
    for number in range(_ROUNDS):
        id_ = fresh_id()
        await probe.add(id_, version="old", old=True)
        new = probe.record(id_, version=number)
        await together(probe.update(id_, {"touched": True}), probe.set(id_, dict(new)))
        got = await probe.get(id_)
        if difference(new, got) and difference({**new, "touched": True}, got):
            raise ExpectationError(
                f"{probe.entity}.get after a concurrent set and update: expected the new value, "
                f"with or without the update, got {short(got)}"
            )
