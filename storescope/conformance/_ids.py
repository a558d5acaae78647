"""Promises about ids: which are fine, which are refused, and that alike ids stay apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, LISTED, UPDATED, Theme
from storescope.conformance._equal import short
from storescope.conformance._probe import ExpectationError, HandlerError, fresh_id
from storescope.errors import InvalidRecordError

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme("ids")

_MOST_BYTES = 256
_ODD = (
    *("/", "\\", ":", "::", "|", "#", "?", "&", "=", ",", ";", "%", "%2F", "_", "-", "~", "@", "!", "+"),
    *("*", "[a-z]", "{x}", "(y)", "<z>", "$1", "^", "`", "'", '"', "' OR 1=1 --"),
    *(".", "..", "../", "/..", "//", " ", "  ", "\t", "\n", "\r\n", "\x01", "\x7f", "\u2028", "\ufeff"),
    *("é", "e\u0301", "ß", "SS", "ẞ", "İ", "🚀", "世界", "\u200d", "\u202e", "\uffff", "null", "None", "0"),
)


def _odd_ids() -> list[str]:
    """Return ids that differ in as little as one odd character, or in upper and lower case."""
    base = fresh_id("a")
    ends = [id_ for odd in _ODD for id_ in (f"{base}{odd}", f"{odd}{base}")]
    return [base, base.upper(), *ends, *(f"{base}{odd}{base}" for odd in _ODD)]


def _long(character: str, size: int) -> str:
    """Return a fresh id of `size` bytes that ends in `character` repeated."""
    start = fresh_id()
    filler, rest = divmod(size - len(start), len(character.encode()))
    return f"{start}{'x' * rest}{character * filler}"


def _refused_ids() -> list[str]:
    long = [_long("x", _MOST_BYTES + 1), _long("é", _MOST_BYTES + 2), _long("x", 5000)]
    base = fresh_id()
    return [*long, f"{base}\0", f"\0{base}", f"{base}\ud800", f"\udfff{base}", f"{base}\ud83d\ude00"]


def _longest_ids() -> list[str]:
    return [_long("x", _MOST_BYTES), _long("é", _MOST_BYTES), _long("世", _MOST_BYTES), _long("🚀", _MOST_BYTES)]


@theme.case("promise", ENTITIES, "get", "set")
async def odd_ids_stay_apart(probe: Probe) -> None:
    """Ids of separators, wildcards, spaces and any script are fine, and none is taken for another."""
    values = [(id_, probe.record(id_, place=place)) for place, id_ in enumerate(_odd_ids())]
    for id_, value in values:
        await probe.set(id_, dict(value))
    for id_, value in values:
        await probe.expect(id_, value, f"set of many odd ids, of {short(id_)}")


@theme.case("promise", UPDATED, "get", "set", "update")
async def odd_ids_are_updated(probe: Probe) -> None:
    """An update by an odd id changes that record."""
    for id_ in _odd_ids()[: len(_ODD)]:
        value = await probe.add(id_, note="before")
        await probe.update(id_, {"note": "after"})
        await probe.expect(id_, {**value, "note": "after"}, f"update of {short(id_)}")


@theme.case("promise", LISTED, "set", "listBySession")
async def odd_session_ids_stay_apart(probe: Probe) -> None:
    """Sessions whose ids differ by one odd character have lists of their own."""
    placed = [(session, fresh_id()) for session in _odd_ids()]
    for session, id_ in placed:
        await probe.add(id_, session)
    for session, id_ in placed:
        await probe.expect_list(session, [id_], f"inserts into odd sessions, of {short(session)}")


@theme.case("promise", ENTITIES, "get", "set")
async def ids_of_256_bytes(probe: Probe) -> None:
    """Ids of up to 256 bytes of UTF-8 are fine, for records and for sessions."""
    for id_ in _longest_ids():
        value = await probe.add(id_, id_)
        await probe.expect(id_, value, "set of an id of 256 bytes")
        if probe.has("update"):
            await probe.update(id_, {"note": 1})
            await probe.expect(id_, {**value, "note": 1}, "update of an id of 256 bytes")
        if probe.has("listBySession"):
            await probe.expect_list(id_, [id_], "set in a session with an id of 256 bytes")


@theme.case("promise", ENTITIES, "get", "set")
async def set_refuses_ids_that_no_store_can_hold(probe: Probe) -> None:
    """`set` refuses an id of more than 256 bytes, or with NUL or surrogates, and writes nothing."""
    for id_ in _refused_ids():
        await probe.expect_refused("set", (id_, probe.record(id_)), f"an id of {_told(id_)}")
        await _expect_absent(probe, id_)


@theme.case("promise", UPDATED, "update")
async def update_refuses_ids_that_no_store_can_hold(probe: Probe) -> None:
    """`update` refuses an id of more than 256 bytes, or with NUL or surrogates."""
    for id_ in _refused_ids():
        await probe.expect_refused("update", (id_, {"a": 1}), f"an id of {_told(id_)}")


@theme.case("promise", LISTED, "get", "set")
async def set_refuses_sessions_that_no_store_can_hold(probe: Probe) -> None:
    """`set` refuses a sessionId of more than 256 bytes, or with NUL or surrogates, and writes nothing."""
    for session in _refused_ids():
        id_ = fresh_id()
        await probe.expect_refused("set", (id_, probe.record(id_, session)), f"a sessionId of {_told(session)}")
        await probe.expect(id_, None, "a refused set")


@theme.case("promise", tuple(entity for entity in LISTED if entity in UPDATED), "get", "set", "update")
async def update_refuses_sessions_that_no_store_can_hold(probe: Probe) -> None:
    """`update` refuses a sessionId of more than 256 bytes, or with NUL or surrogates, and writes nothing."""
    id_ = fresh_id()
    before = await probe.add(id_)
    for session in _refused_ids():
        updates: dict[str, Any] = {"sessionId": session, "a": 1}
        await probe.expect_refused("update", (id_, updates), f"a sessionId of {_told(session)}")
        await probe.expect(id_, before, "a refused update")


async def _expect_absent(probe: Probe, id_: str) -> None:
    """Demand that `get` finds nothing; that it refuses the id too is as good."""
    try:
        found = await probe.get(id_)
    except HandlerError as caught:
        if isinstance(caught.error, InvalidRecordError):
            return
        raise
    if found is not None:
        raise ExpectationError(f"{probe.entity}.get after a refused set: expected None, got {short(found)}")


def _told(id_: str) -> str:
    return f"{len(id_.encode(errors='surrogatepass'))} bytes, {id_[-8:]!a} at its end"
