"""Cases of arguments that the contract refuses, whatever the handlers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, LISTED, UPDATED, Theme
from storescope.conformance._equal import short
from storescope.conformance._probe import fresh_id
from storescope.contract import IN_SESSION

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme("arguments that are refused")

_NO_IDS: tuple[Any, ...] = ("", None, 7, True, b"id", ["id"], {"id": "id"})
_NO_DICTS: tuple[Any, ...] = (None, "text", 7, ["id"], (("a", 1),))
_IN_SESSION = tuple(entity for entity in ENTITIES if entity in IN_SESSION)
_LEFT_OUT = object()


def _with(record: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    rest = {name: old for name, old in record.items() if name != field}
    return rest if value is _LEFT_OUT else {**rest, field: value}


async def expect_set_refused(probe: Probe, id_: str, value: Any, what: str) -> None:
    """Demand that `set` refuses `value`, for a new record and for an existing one, and writes nothing."""
    await probe.expect_refused("set", (id_, value), what)
    await probe.expect(id_, None, f"a refused set with {what}")
    before = await probe.add(id_, note="before")
    await probe.expect_refused("set", (id_, value), what)
    await probe.expect(id_, before, f"a refused set with {what}")


async def expect_update_refused(probe: Probe, updates: Any, what: str) -> None:
    """Demand that `update` refuses `updates` and writes nothing."""
    id_ = fresh_id()
    before = await probe.add(id_, note="before")
    await probe.expect_refused("update", (id_, updates), what)
    await probe.expect(id_, before, f"a refused update with {what}")


@theme.case("core", ENTITIES, "get")
async def get_refuses_what_is_no_id(probe: Probe) -> None:
    """`get` refuses an id that is empty or not a string."""
    for id_ in _NO_IDS:
        await probe.expect_refused("get", (id_,), f"the id {short(id_)}")


@theme.case("core", ENTITIES, "set")
async def set_refuses_what_is_no_id(probe: Probe) -> None:
    """`set` refuses an id that is empty or not a string."""
    value = probe.record("id")
    del value["id"]
    for id_ in _NO_IDS:
        await probe.expect_refused("set", (id_, dict(value)), f"the id {short(id_)}")
    if probe.has("listBySession"):
        await probe.expect_list(probe.session, [], "refused sets")


@theme.case("core", UPDATED, "update")
async def update_refuses_what_is_no_id(probe: Probe) -> None:
    """`update` refuses an id that is empty or not a string."""
    for id_ in _NO_IDS:
        await probe.expect_refused("update", (id_, {"a": 1}), f"the id {short(id_)}")


@theme.case("core", LISTED, "listBySession")
async def list_refuses_what_is_no_id(probe: Probe) -> None:
    """`listBySession` refuses a session id that is empty or not a string."""
    for session in _NO_IDS:
        await probe.expect_refused("listBySession", (session,), f"the session id {short(session)}")


@theme.case("core", ENTITIES, "get", "set")
async def set_refuses_what_is_no_dict(probe: Probe) -> None:
    """`set` refuses a value that is not a dict, and writes nothing."""
    for value in _NO_DICTS:
        await expect_set_refused(probe, fresh_id(), value, f"the value {short(value)}")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_refuses_what_is_no_dict(probe: Probe) -> None:
    """`update` refuses updates that are not a dict, and writes nothing."""
    for updates in _NO_DICTS:
        await expect_update_refused(probe, updates, f"the updates {short(updates)}")


@theme.case("core", ENTITIES, "get", "set")
async def set_refuses_another_id(probe: Probe) -> None:
    """`set` refuses a value whose `id` is not the record's, and writes neither."""
    for other in (fresh_id(), "", None, 7):
        id_ = fresh_id()
        value = {**probe.record(id_), "id": other}
        await expect_set_refused(probe, id_, value, f"value['id'] = {short(other)}")
        if isinstance(other, str) and other:
            await probe.expect(other, None, "a refused set whose value had this id")


@theme.case("core", UPDATED, "get", "set", "update")
async def update_refuses_another_id(probe: Probe) -> None:
    """`update` refuses updates whose `id` is not the record's, and writes nothing."""
    for other in (fresh_id(), "", None, 7):
        await expect_update_refused(probe, {"id": other, "a": 1}, f"updates['id'] = {short(other)}")


@theme.case("core", _IN_SESSION, "get", "set")
async def set_refuses_what_is_in_no_session(probe: Probe) -> None:
    """`set` refuses a message or part without a session, and writes nothing."""
    for session in (_LEFT_OUT, "", None, 7, ["s"]):
        id_ = fresh_id()
        value = _with(probe.record(id_), "sessionId", session)
        told = "no sessionId" if session is _LEFT_OUT else f"sessionId = {short(session)}"
        await expect_set_refused(probe, id_, value, told)


@theme.case("core", tuple(entity for entity in _IN_SESSION if entity in UPDATED), "get", "set", "update")
async def update_refuses_what_is_no_session(probe: Probe) -> None:
    """`update` refuses to take a message out of every session, and writes nothing."""
    for session in ("", None, 7, ["s"]):
        await expect_update_refused(probe, {"sessionId": session, "a": 1}, f"sessionId = {short(session)}")
