"""Strict comparison of records: 1, 1.0 and True differ, and so do 0.0 and -0.0."""

from __future__ import annotations

import reprlib
from math import copysign, isnan
from typing import Any, TypeAlias

_MISSING = object()
_SHOWN_LEVELS = 6
_SHOWN_CHARACTERS = 200

_Path: TypeAlias = tuple[Any, ...]  # (key, path of the parent), so that deep records cost no long strings
_Pair: TypeAlias = tuple[_Path, Any, Any]


def short(value: Any) -> str:
    """Return `value` as one short line."""
    try:
        text = _repr.repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, or too deep
        text = f"a {type(value).__name__}"
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."


def difference(expected: Any, got: Any) -> str | None:
    """Return the first difference, in words; None if the two are strictly equal."""
    pending: list[_Pair] = [((), expected, got)]
    while pending:  # a loop and not recursion: records nest deeper than Python's stack
        path, left, right = pending.pop()
        inner = _inner_pairs(path, left, right)
        if inner is None:
            return f"{_where(path)}expected {_typed(left)}, got {_typed(right)}"
        pending.extend(reversed(inner))
    return None


def _inner_pairs(path: _Path, left: Any, right: Any) -> list[_Pair] | None:
    """Return what is still to compare; None if the two differ already."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = dict.fromkeys([*left, *right])
        return [((key, path), left.get(key, _MISSING), right.get(key, _MISSING)) for key in keys]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [((index, path), *pair) for index, pair in enumerate(zip(left, right, strict=True))]
    if type(left) is type(right) and _same(left, right):
        return []
    return None


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float):
        return (isnan(left) and isnan(right)) or (left == right and copysign(1, left) == copysign(1, right))
    return not isinstance(left, list) and bool(left == right)


def _where(path: _Path) -> str:
    keys: list[str] = []
    while path:
        key, path = path
        keys.append(f"[{short(key)}]")
    shown = keys[::-1]
    if len(shown) > _SHOWN_LEVELS:
        shown = ["...", *shown[-_SHOWN_LEVELS:]]
    return f"at {''.join(shown)} " if shown else ""


def _typed(value: Any) -> str:
    if value is _MISSING:
        return "no such field"
    if isinstance(value, bool) or value is None:
        return repr(value)
    return f"{short(value)} ({type(value).__name__})"


_repr = reprlib.Repr()
_repr.maxdict = _repr.maxlist = 5
_repr.maxstring = _repr.maxother = 60
_repr.maxlong = 30
