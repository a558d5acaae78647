"""Promises about values: what is stored comes back equal, and what is not JSON is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storescope.conformance._case import ENTITIES, UPDATED, Theme
from storescope.conformance._equal import difference, short
from storescope.conformance._probe import ExpectationError, HandlerError, expect, fresh_id, named
from storescope.conformance._refusals import expect_set_refused, expect_update_refused
from storescope.errors import InvalidRecordError, RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.conformance._case import CaseFunction
    from storescope.conformance._probe import Probe

theme = Theme("values")

_LEVELS = 200
_DIGITS = 4300  # as many as Python's own int() reads by default


def nested(levels: int, *, dicts: bool) -> Any:
    """Return lists or dicts within each other."""
    value: Any = "innermost"
    for _ in range(levels):
        value = {"a": value} if dicts else [value]
    return value


async def expect_kept(probe: Probe, value: Any) -> None:
    """Demand that `value` comes back equal, whichever call it went in and came out by."""
    id_ = fresh_id()
    record = await probe.add(id_, value=value)
    await probe.expect(id_, record, f"set of {short(value)}")
    if probe.has("update"):
        updated = await probe.update(id_, {"second": value})
        expect({**record, "second": value}, updated, f"what {probe.entity}.update of {short(value)} returned")
        await probe.expect(id_, updated, f"update of {short(value)}")
        record = updated
    if probe.has("listBySession"):
        rows = [row for row in await probe.listed(probe.session) if row.get("id") == id_]
        expect([record], rows, f"{probe.entity}.listBySession after set of {short(value)}")


def _kept(name: str, what: str, values: Callable[[], list[Any]]) -> CaseFunction:
    """Collect a case: each of these values comes back equal."""

    async def function(probe: Probe) -> None:
        for value in values():
            await expect_kept(probe, value)

    function.__name__ = f"keeps_{name}"
    function.__doc__ = f"{what} come back as they were stored."
    return theme.case("promise", ENTITIES, "get", "set")(function)


_kept("nul_characters", "Strings with NUL characters", lambda: ["\0", "a\0b", {"k\0": "\0\0"}])
_kept(
    "lone_surrogates",
    "Strings with half of a surrogate pair",
    lambda: ["\ud800", "a\udfffb", {"\udc00": ["\ud83d"]}, "\ude00\ud83d", "\U0001f600 \ud83d"],
)
_kept(
    "odd_strings",
    "Strings of quotes, escapes, controls and line separators",
    lambda: [
        "'\"\\/`$%{}",
        "\r\n\t\x01\x1f\x7f\x85",
        "\u2028\u2029\ufeff\uffff",
        "e\u0301 é",
        " \n ",
        "null",
        "1",
    ],
)
_kept("integers_over_2_53", "Integers that a double cannot hold", lambda: [2**53 + 1, -(2**53) - 1, 2**63 - 1])
_kept(
    "integers_over_2_64",
    "Integers that 64 bits cannot hold",
    lambda: [2**63, 2**64 - 1, 2**64, -(2**64) - 1, [10**30 + 1]],
)
_kept(
    "integers_of_4300_digits",
    "Integers of 4,300 digits",
    lambda: [10**_DIGITS - 1, -(10**_DIGITS) + 1, [10 ** (_DIGITS - 1)]],
)
_kept(
    "integers_apart_from_floats",
    "1, 1.0 and True",
    lambda: [1, 1.0, True, [0, 0.0, False], 1e22, 10**22, 100.0, -1.0],
)
_kept("negative_zero", "-0.0 and 0.0", lambda: [-0.0, 0.0, [-0.0, 0]])
_kept(
    "floats",
    "Floats, to the last bit",
    lambda: [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5e-10, 123456789.12345679, 1e16, 1e-7],
)
_kept("empty_containers", "[] and {}", lambda: [[], {}, [[]], [{}], {"a": [], "b": {}}, None, ""])
_kept(
    "nesting_to_200",
    "Records that nest 200 deep",
    lambda: [nested(_LEVELS - 1, dicts=False), nested(_LEVELS - 1, dicts=True)],
)
_kept(
    "odd_keys",
    "Empty keys and keys that mean something to a store",
    lambda: [{"": ""}, {"": {"": 1}}, {"$set": 1, "a.b": 2, "__proto__": 3, "1": 4, " ": 5, "#n": 6, ":v": 7}],
)
_kept("long_strings", "Strings of a hundred thousand characters", lambda: ["a" * 100_000, "é€🚀" * 10_000])
_kept("many_fields", "Records of a thousand fields", lambda: [{f"field{i}": i for i in range(1000)}])


@theme.case("promise", ENTITIES, "get", "set")
async def keeps_odd_field_names(probe: Probe) -> None:
    """Fields of the record itself may have any name: empty, with NUL, or one that means something to a store."""
    names = ("", "\0", "\ud800", "$a", "a.b", "value", "key", "data", "seq", "_", "__data__", "1", "é", "x" * 300)
    id_ = fresh_id()
    record = await probe.add(id_, **{name: place for place, name in enumerate(names)})
    await probe.expect(id_, record, "set with odd field names")
    if probe.has("update"):
        await probe.update(id_, {name: [name] for name in names})
        expected = {**record, **{name: [name] for name in names}}
        await probe.expect(id_, expected, "update of odd field names")


def _not_json() -> list[Any]:
    circular: list[Any] = []
    circular.append(circular)
    numbers = [float("nan"), float("inf"), float("-inf")]
    keys: list[Any] = [{1: "a"}, {None: "a"}, {True: "a"}, {1.5: "a"}, {("a",): "a"}]
    others = [(), (1, 2), b"bytes", datetime.now(UTC), {1, 2}, object(), 1j, circular]
    return [*numbers, *keys, *others]


@theme.case("promise", ENTITIES, "get", "set")
async def set_refuses_what_is_not_json(probe: Probe) -> None:
    """`set` refuses NaN, infinities and all that JSON has not, however deep, and writes nothing."""
    for value in _not_json():
        for place in (value, {"deep": [1, value]}):
            id_ = fresh_id()
            await expect_set_refused(probe, id_, probe.record(id_, value=place), short(place))


@theme.case("promise", UPDATED, "get", "set", "update")
async def update_refuses_what_is_not_json(probe: Probe) -> None:
    """`update` refuses NaN, infinities and all that JSON has not, however deep, and writes nothing."""
    for value in _not_json():
        for place in (value, {"deep": [1, value]}):
            await expect_update_refused(probe, {"fine": 1, "value": place}, short(place))


@theme.case("promise", ENTITIES, "get", "set")
async def set_refuses_field_names_that_are_no_strings(probe: Probe) -> None:
    """`set` refuses a record with a key that is not a string, and writes nothing."""
    for key in (1, None, True, ("a",)):
        id_ = fresh_id()
        value: dict[Any, Any] = {**probe.record(id_), key: "a"}
        await expect_set_refused(probe, id_, value, f"the key {short(key)}")


@theme.case("promise", ENTITIES, "get", "set")
async def beyond_the_limits_is_refused_or_kept(probe: Probe) -> None:
    """A record past the promised limits is kept equal, or refused with nothing written: never spoilt."""
    for make in (_too_many_digits, _too_deep_lists, _too_deep_dicts):
        id_ = fresh_id()
        before = await probe.add(id_, value="before")
        stored = before
        try:
            await probe.set(id_, probe.record(id_, value=make()))
            stored = probe.record(id_, value=make())
        except HandlerError as caught:
            if not isinstance(caught.error, InvalidRecordError | RecordTooLargeError):
                raise ExpectationError(
                    f"{probe.entity}.set beyond the limits: expected InvalidRecordError or "
                    f"RecordTooLargeError, got {named(caught.error)}"
                ) from caught
        found = difference(stored, await probe.get(id_))
        if found:
            raise ExpectationError(f"{probe.entity}.get after a set beyond the limits: {found}")


def _too_many_digits() -> Any:
    return 10**_DIGITS


def _too_deep_lists() -> Any:
    return nested(5000, dicts=False)


def _too_deep_dicts() -> Any:
    return nested(5000, dicts=True)
