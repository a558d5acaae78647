"""Reads one line of the log, as strictly as the format has it.

A viewer that is more lenient than the verifier can be made to show what nobody verified (CVE-2023-31437).
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from storescope.middleware._audit._record import FIELDS, MAC_TAIL_BYTES

_PLAIN = re.compile(rb"[\x20-\x7e]*")  # a writer escapes the rest; a raw carriage return could hide what is shown
_DEEPEST = 100  # objects and lists around a value; who prints a record must not run out of stack
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def parse_record(line: bytes) -> dict[str, Any]:
    """Return the record that a line holds.

    Args:
        line: The line without its line feed.

    Returns:
        Its fields, in the line's order.

    Raises:
        ValueError: If it is no record; the text says why.
    """
    if _PLAIN.fullmatch(line) is None:
        raise ValueError("it holds bytes that a writer escapes")
    try:
        record = _DECODER.decode(line.decode("ascii"))
    except _TwiceError:
        raise ValueError("a name is given twice") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(record, dict) or tuple(record)[: len(FIELDS)] != FIELDS or type(record["seq"]) is not int:
        raise ValueError("its fields are not those of a record")
    if line.count(b"[") + line.count(b"{") > _DEEPEST and _is_deep(record):
        raise ValueError(f"a value stands inside {_DEEPEST} objects and lists or more")
    mac = record.get("mac")
    if not isinstance(mac, str) or line[-MAC_TAIL_BYTES:] != f',"mac":"{mac}"}}'.encode():
        raise ValueError("it does not end in its MAC")
    return record


def is_ts(value: object) -> bool:
    """Return whether a value is a time as records have it, so that its text sorts as the time does."""
    return isinstance(value, str) and _TS.fullmatch(value) is not None


class _TwiceError(Exception):
    """An object gives a name twice: readers differ in which value they take."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = [
            each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)
        ]
        level = [item for items in inner for item in items]
    return bool(level)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and the infinities are not JSON


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_number)
