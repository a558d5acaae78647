"""Whether a record is plain JSON, within what the shipped backends promise to keep."""

from __future__ import annotations

from math import isfinite
from typing import Any

_LEVELS = 200
_INT_LIMIT = 10**4300


def not_json(record: Any) -> str | None:
    """Return the first thing that JSON has not, or that is past the promised limits; None if there is none.

    It is told by its kind, never by its content: not even by the name of its field.
    """
    pending: list[tuple[Any, int]] = [(record, 1)]
    while pending:  # a loop and not recursion: records nest deeper than Python's stack, or hold themselves
        value, level = pending.pop()
        if level > _LEVELS and isinstance(value, dict | list):
            return f"it is nested more than {_LEVELS} deep"
        if isinstance(value, dict):
            if any(not isinstance(key, str) for key in value):
                return "it has a key that is not a string"
            pending += ((item, level + 1) for item in value.values())
        elif isinstance(value, list):
            pending += ((item, level + 1) for item in value)
        else:
            found = _scalar(value)
            if found:
                return found
    return None


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str | bool):
        return None
    if isinstance(value, int):
        return None if -_INT_LIMIT < value < _INT_LIMIT else "it holds an integer of more than 4,300 digits"
    if isinstance(value, float):
        return None if isfinite(value) else "it holds a NaN or an infinity"
    return f"it holds a {type(value).__name__}"
