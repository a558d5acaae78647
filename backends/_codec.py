"""Records to bytes and back, without loss.

What is written is JSON. The fast path is orjson, which loses nothing of what is made of JSON's own types; a look
tells. Whatever else it took is read back and compared before it is trusted: orjson turns NaN into null, tuples
into lists, and dates, UUIDs and data classes into strings and objects. What orjson cannot hold (integers over
64 bits, lone surrogates) takes the slow path, the standard library's json; one leading space marks such a text,
so that it is read by json again and not by orjson, which would round it. Neither path writes a line break, so
texts can be joined by line breaks.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias, cast

import orjson

from storescope import InvalidRecordError

Record: TypeAlias = dict[str, Any]

MAX_DEPTH = 254
"""Levels of nesting, the record's own included: what orjson allows; the contract promises 200."""

_INT_LIMIT = 10**4300  # Python refuses to read longer integers
_MARK = 0x20
_SCALARS = frozenset({str, int, bool, type(None)})
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:u(d[89a-f][0-9a-f]{2})|.)")


def encode(value: Any) -> bytes:
    """Return a record, or one field of a record, as JSON that comes back equal.

    Args:
        value: Anything that JSON has.

    Raises:
        InvalidRecordError: If it holds anything that JSON has not, or that would come back different.
    """
    try:
        text = orjson.dumps(value)
        if _is_plain(value) or orjson.loads(text) == value:
            return text
    except TypeError:  # too large for orjson, or not JSON at all
        _check(value)
        return _encode_slowly(value)
    except RecursionError:
        raise InvalidRecordError("the record is nested too deeply") from None
    _check(value)
    raise InvalidRecordError("the record holds a value that would not come back equal")


def _is_plain(value: Any) -> bool:
    """Return whether a value that orjson took is made of JSON's own types and nothing derived from them.

    It has seen to the names, the integers' size, the depth and the surrogates. Reading all back instead would cost
    twice as much for a message of 1 KB, and more for a longer one.
    """
    if type(value) in _SCALARS:
        return True
    pending: list[Any] = [value]
    for item in pending:  # it grows on the way
        kind = type(item)
        if kind is dict:
            children = item.values()
        elif kind is list:
            children = item
        elif kind is float and item - item == 0:
            continue
        else:
            return False
        for child in children:
            if type(child) not in _SCALARS:
                pending.append(child)  # noqa: PERF401 (a comprehension for each would take longer)
    return True


def decode(text: bytes) -> Any:
    """Return what `encode` was given, in objects of its own."""
    if text[0] != _MARK:
        return orjson.loads(text)
    readable = text.decode()
    if "\\ud" in readable:
        readable = _ESCAPE.sub(_unescape, readable)
    return json.loads(readable)


def merge(text: bytes, *updates: bytes) -> tuple[bytes, Record]:
    """Merge encoded updates into an encoded record, the first given first.

    Returns:
        The merged record, encoded and decoded. It needs no check: each part passed `encode`.
    """
    record = decode_merged(text, *updates)
    try:
        return orjson.dumps(record), record
    except TypeError:
        return _dump_slowly(record), record


def decode_merged(text: bytes, *updates: bytes) -> Record:
    """Decode a record with its updates merged in."""
    record = cast("Record", decode(text))
    for update in updates:
        record.update(decode(update))
    return record


def encode_name(name: Any) -> bytes:
    """Return a field's name as bytes; no name gives a byte that UTF-8 never has, such as 0xFF.

    Raises:
        InvalidRecordError: If it is not a string.
    """
    if not isinstance(name, str):
        raise InvalidRecordError("the record has a key that is not a string")
    return name.encode("utf-8", "surrogatepass")


def decode_name(name: bytes) -> str:
    """Return what `encode_name` was given."""
    return name.decode("utf-8", "surrogatepass")


def _encode_slowly(value: Any) -> bytes:
    try:
        text = _dump_slowly(value)
        if decode(text) == value:
            return text
    except RecursionError:
        raise InvalidRecordError("the record is nested too deeply") from None
    raise InvalidRecordError("the record holds a value that would not come back equal")


def _dump_slowly(value: Any) -> bytes:
    """Write with the standard library. Only surrogates are escaped, each by itself.

    With `ensure_ascii` a character beyond the first plane would be written as a pair of escapes too, and
    could not be told from two surrogates that stand side by side.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return b" " + _SURROGATE.sub(_escape, text).encode()


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _unescape(match: re.Match[str]) -> str:
    """Put the surrogate itself in the text: json would join two escapes to one character."""
    return match[0] if match[1] is None else chr(int(match[1], 16))


def _check(value: Any) -> None:
    """Raise for the first thing that JSON has not, by its kind and never by its content."""
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict):
            for name in item:
                encode_name(name)
            pending += ((child, depth + 1) for child in item.values())
        elif isinstance(item, list):
            pending += ((child, depth + 1) for child in item)
        else:
            _check_scalar(item)
            continue
        if depth > MAX_DEPTH:
            raise InvalidRecordError("the record is nested too deeply")


def _check_scalar(item: Any) -> None:
    if item is None or isinstance(item, str | bool):
        return
    if isinstance(item, int):
        if not -_INT_LIMIT < item < _INT_LIMIT:
            raise InvalidRecordError("the record holds an integer of more than 4,300 digits")
    elif isinstance(item, float):
        if item - item != 0:  # NaN and the infinities, and nothing else
            raise InvalidRecordError("the record holds a NaN or an infinity, which JSON has not")
    else:
        raise InvalidRecordError(f"the record holds a {type(item).__name__}, which JSON has not")
