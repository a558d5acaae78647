"""How large records are: the length of their JSON, of which nothing is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import Call
    from storescope.contract import Operation


def json_bytes(record: Any) -> int | None:
    """Return the length in bytes of a record's JSON; None if it is not JSON."""
    try:
        return len(orjson.dumps(record))
    except TypeError:  # larger integers, half a surrogate pair: what orjson leaves to the standard library
        try:
            return len(json.dumps(record, separators=(",", ":")))
        except (TypeError, ValueError, RecursionError):  # a user's own objects
            return None


def measure_record(operation: Operation, observe: Callable[[int], None]) -> Callable[[Call, Any], None]:
    """Return what measures the record of a call that returned.

    What is set is measured as the caller gave it, what is got or updated as the caller receives it: without the
    store's own encoding, and without the guard's label. Lists are not measured: their records were set once.
    """
    is_set = operation.verb == "set"

    def look(call: Call, result: Any) -> None:
        record = call.params["value"] if is_set else result
        if record is not None:
            size = json_bytes(record)
            if size is not None:
                observe(size)

    return look
