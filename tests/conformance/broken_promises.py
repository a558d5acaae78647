"""Maps that keep the core contract and break a promise of the shipped backends."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import orjson

from storescope import InvalidRecordError
from tests.conformance.broken_core import caught_by
from tests.conformance.maps import MemoryMap, PromisingMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope import Handler, Operation


@caught_by(
    "set_refuses_what_is_not_json",
    "update_refuses_what_is_not_json",
    "set_refuses_field_names_that_are_no_strings",
    "set_refuses_ids_that_no_store_can_hold",
    "update_refuses_ids_that_no_store_can_hold",
    "set_refuses_sessions_that_no_store_can_hold",
    "update_refuses_sessions_that_no_store_can_hold",
    "beyond_the_limits_is_refused_or_kept",  # deepcopy overflows the stack
)
class ChecksNothing(MemoryMap):
    pass


@caught_by("set_refuses_what_is_not_json", "update_refuses_what_is_not_json")
class TakesNaN(PromisingMap):
    def check_float(self, value: float) -> None:
        pass


@caught_by("set_refuses_what_is_not_json", "set_refuses_field_names_that_are_no_strings")
class MakesKeysStrings(PromisingMap):
    def check_key(self, key: Any) -> None:
        pass


@caught_by("keeps_lone_surrogates", "keeps_integers_over_2_64", "keeps_integers_of_4300_digits")
class TrustsOrjson(PromisingMap):
    def copied(self, record: Any) -> Any:
        return orjson.loads(orjson.dumps(record))


@caught_by("beyond_the_limits_is_refused_or_kept")
class TrustsJson(PromisingMap):
    def copied(self, record: Any) -> Any:
        return json.loads(json.dumps(record))


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return `value` with every leaf, key and empty container changed."""
    if isinstance(value, dict) and value:
        return {change(key): changed(item, change) for key, item in value.items()}
    if isinstance(value, list) and value:
        return [changed(item, change) for item in value]
    return change(value)


class Codec(PromisingMap):
    """Keeps every leaf as `leaf` changes it."""

    def leaf(self, value: Any) -> Any:
        raise NotImplementedError

    def copied(self, record: Any) -> Any:
        return changed(super().copied(record), self.leaf)


@caught_by("keeps_nul_characters", "keeps_odd_field_names")
class EndsStringsAtNul(Codec):
    def leaf(self, value: Any) -> Any:
        return value.split("\0")[0] if isinstance(value, str) else value


@caught_by("keeps_lone_surrogates")
class ReplacesSurrogates(Codec):
    def leaf(self, value: Any) -> Any:
        return value.encode(errors="replace").decode() if isinstance(value, str) else value


@caught_by("keeps_odd_strings")
class NormalizesText(Codec):
    def leaf(self, value: Any) -> Any:
        return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


@caught_by("keeps_odd_strings")
class ReadsNumbersInStrings(Codec):
    def leaf(self, value: Any) -> Any:
        return int(value) if value == "1" else value


@caught_by("keeps_integers_over_2_53", "keeps_integers_over_2_64")
class HoldsNumbersAsDoubles(Codec):
    def leaf(self, value: Any) -> Any:
        is_number = type(value) is int and abs(value) < 10**300
        return int(float(value)) if is_number else value


@caught_by("keeps_integers_apart_from_floats", "keeps_negative_zero")
class WritesWholeFloatsAsIntegers(Codec):
    def leaf(self, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value


@caught_by("keeps_negative_zero")
class ForgetsTheSignOfZero(Codec):
    def leaf(self, value: Any) -> Any:
        return value + 0.0 if isinstance(value, float) else value


@caught_by("keeps_floats")
class WritesFewDigits(Codec):
    def leaf(self, value: Any) -> Any:
        return float(f"{value:.14g}") if isinstance(value, float) else value


@caught_by("keeps_empty_containers")
class EmptyListsBecomeDicts(Codec):
    def leaf(self, value: Any) -> Any:
        return {} if value == [] else value


@caught_by("keeps_odd_keys", "keeps_odd_field_names")
class ReplacesEmptyKeys(Codec):
    def leaf(self, value: Any) -> Any:
        return value or "empty" if isinstance(value, str) else value


@caught_by("keeps_long_strings")
class CutsLongStrings(Codec):
    def leaf(self, value: Any) -> Any:
        return value[:65535] if isinstance(value, str) else value


@caught_by("keeps_many_fields")
class HoldsFewFields(PromisingMap):
    def check_json(self, value: Any) -> None:
        if isinstance(value, dict) and len(value) > 500:
            raise InvalidRecordError("too many fields")
        super().check_json(value)


@caught_by("keeps_nesting_to_200")
class NestsToOneHundred(PromisingMap):
    def check_json(self, value: Any) -> None:
        if json.dumps(value, default=str, skipkeys=True).count("[") > 100:
            raise InvalidRecordError("nested too deep")
        super().check_json(value)


@caught_by("nothing_is_added")
class AddsTheId(PromisingMap):
    def put(self, entity: str, id_: str, record: dict[str, Any]) -> None:
        super().put(entity, id_, {"id": id_, **record})


@caught_by("update_of_missing_names_the_record")
class UpdateOfMissingRaisesKeyError(PromisingMap):
    def missing(self, entity: str, id_: str) -> Any:
        raise KeyError(id_)


class KeyMap(PromisingMap):
    """Finds records, and sessions, by what `key` makes of an id."""

    def key(self, id_: str) -> str:
        raise NotImplementedError

    def handler(self, operation: Operation) -> Handler:
        method = super().handler(operation)

        async def handler(**params: Any) -> Any:
            ids = {name: self.key(id_) for name, id_ in params.items() if isinstance(id_, str)}
            return await method(**{**params, **ids})

        return handler

    def within(self, row: dict[str, Any], session: str) -> bool:
        return self.key(row["sessionId"]) == session


@caught_by("odd_ids_stay_apart", "odd_ids_are_updated", "odd_session_ids_stay_apart")
class RefusesSlashes(KeyMap):
    def key(self, id_: str) -> str:
        if "/" in id_:
            raise ValueError("not a file name")
        return id_


@caught_by("odd_ids_stay_apart", "odd_session_ids_stay_apart")
class StripsIds(KeyMap):
    def key(self, id_: str) -> str:
        return id_.strip() or id_


@caught_by("odd_ids_stay_apart", "odd_session_ids_stay_apart")
class IgnoresCaseInIds(KeyMap):
    def key(self, id_: str) -> str:
        return id_.casefold()


@caught_by("ids_of_256_bytes")
class HoldsIdsOf255Bytes(PromisingMap):
    def check_id(self, id_: str) -> None:
        super().check_id(id_ + "x")
