"""Cases of `get` and `set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, Theme
from storescope.conformance._probe import NotApplicableError, expect, fresh_id

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme("get and set")


def _own_fields() -> dict[str, Any]:
    """Return fields that no schema knows, of every JSON type, with values that any JSON store keeps."""
    return {
        "title": "Grüße, 世界 🚀",
        "empty": "",
        "nothing": None,
        "yes": True,
        "no": False,
        "zero": 0,
        "createdAt": 1_763_855_999_123,
        "ratio": 0.25,
        "usage": {"inputTokens": 12, "models": ["a", {"deep": [1, 2, None]}]},
        "snake_case": [[], {}, [False, ""]],
    }


@theme.case("core", ENTITIES, "get")
async def missing_is_none(probe: Probe) -> None:
    """`get` of a record that does not exist returns None and does not raise."""
    await probe.expect(fresh_id(), None, "nothing was set")


@theme.case("core", ENTITIES, "get", "set")
async def set_then_get(probe: Probe) -> None:
    """What was set is what `get` returns."""
    id_ = fresh_id()
    value = await probe.add(id_, note="first", count=1)
    await probe.expect(id_, value, "set")
    await probe.expect(id_, value, "set and one get")


@theme.case("core", ENTITIES, "set")
async def set_returns_none(probe: Probe) -> None:
    """`set` returns None, when it inserts and when it replaces."""
    id_ = fresh_id()
    for what in ("inserts", "replaces"):
        returned = await probe.set(id_, probe.record(id_))
        expect(None, returned, f"{probe.entity}.set that {what}")


@theme.case("core", ENTITIES, "get", "set")
async def set_replaces_whole(probe: Probe) -> None:
    """`set` of an existing record replaces it whole: fields that the new value lacks are gone."""
    id_ = fresh_id()
    await probe.add(id_, old="gone", kept="old", nested={"old": 1})
    value = await probe.add(id_, kept="new", nested={"new": 2})
    await probe.expect(id_, value, "a second set")


@theme.case("core", ENTITIES, "get", "set")
async def unknown_fields_pass_through(probe: Probe) -> None:
    """Fields that the contract does not name are the agent's own and come back untouched."""
    id_ = fresh_id()
    value = await probe.add(id_, **_own_fields())
    await probe.expect(id_, value, "set with fields of the agent's own")


@theme.case("core", ENTITIES, "get", "set")
async def other_records_stay(probe: Probe) -> None:
    """Writing one record leaves the others of its kind as they are."""
    ids = [fresh_id() for _ in range(3)]
    values = [await probe.add(id_, place=place) for place, id_ in enumerate(ids)]
    values[1] = await probe.add(ids[1], place="changed")
    for id_, value in zip(ids, values, strict=True):
        await probe.expect(id_, value, "another record was set")


@theme.case("core", ENTITIES, "get", "set")
async def returned_record_is_the_callers(probe: Probe) -> None:
    """An agent may change what it was given: the stored record stays."""
    id_ = fresh_id()
    await probe.set(id_, probe.record(id_, nested={"list": [1]}))
    value = probe.record(id_, nested={"list": [1]})  # shares nothing with what was set
    _spoil(await probe.get(id_))
    await probe.expect(id_, value, "the dict that get returned was changed")
    if probe.has("update"):
        _spoil(await probe.update(id_, {}))
        await probe.expect(id_, value, "the dict that update returned was changed")
    if probe.has("listBySession"):
        _spoil((await probe.listed(probe.session))[0])
        await probe.expect(id_, value, "a dict that listBySession returned was changed")


@theme.case("core", ENTITIES, "get", "set")
async def stored_record_is_a_copy(probe: Probe) -> None:
    """An agent may go on changing a dict that it has stored: the stored record stays."""
    id_ = fresh_id()
    passed = probe.record(id_, nested={"list": [1]})
    await probe.set(id_, passed)
    _spoil(passed)
    await probe.expect(id_, probe.record(id_, nested={"list": [1]}), "the dict given to set was changed")
    if probe.has("update"):
        updates = {"nested": {"list": [2]}}
        await probe.update(id_, updates)
        _spoil(updates)
        await probe.expect(id_, probe.record(id_, nested={"list": [2]}), "the dict given to update was changed")


def _spoil(record: dict[str, Any]) -> None:
    record["nested"]["list"].append("spoilt")
    record["spoilt"] = True


@theme.case("core", ENTITIES, "get", "set")
async def kinds_do_not_mix(probe: Probe) -> None:
    """A session, a message, a part, a sandbox and a setup may have the same id and stay apart."""
    others = [probe.of(entity) for entity in ENTITIES if entity != probe.entity]
    others = [other for other in others if other.has("get")]
    if not others:
        raise NotApplicableError("the map has no get for any other kind of record")
    id_ = fresh_id()
    value = await probe.add(id_, kind=probe.entity)
    for other in others:
        await other.expect(id_, None, f"{probe.entity}.set of the same id")
        if other.has("set"):
            await other.add(id_, kind=other.entity)
    await probe.expect(id_, value, "set of the same id for other kinds of record")


@theme.case("promise", ENTITIES, "get", "set")
async def nothing_is_added(probe: Probe) -> None:
    """A record comes back with the fields that it was given, even without an `id` among them."""
    id_ = fresh_id()
    value = probe.record(id_)
    del value["id"]
    await probe.set(id_, dict(value))
    await probe.expect(id_, value, "set of a value without id")
