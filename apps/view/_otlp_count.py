"""Counts what a request claims to hold before it is parsed.

An empty span takes two bytes on the wire and a hundred times that in memory: a request of 16 MiB could fill a
gigabyte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_VARINT_BYTES = 10
# By the number of the field that leads on: a request's resource_spans, their scope_spans, their spans.
_PATH = (1, 2, 2)


def count_spans(body: bytes, most: int) -> int:
    """Return how many spans a protobuf request holds; it stops counting where they are too many.

    What is no protobuf is counted as far as it is one: the parser refuses it.
    """
    found = 0
    for _ in _spans(body, 0, len(body), 0):
        found += 1
        if found > most:
            break
    return found


def count_objects(body: bytes) -> int:
    """Return how many objects and lists a JSON request may hold at most."""
    return body.count(b"{") + body.count(b"[")


def _spans(body: bytes, at: int, end: int, level: int) -> Iterator[None]:
    """Walk one level: pass over every field but those that lead to spans."""
    while at < end:
        tag, at = _varint(body, at, end)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            size, at = _varint(body, at, end)
            if tag >> 3 == _PATH[level]:
                if level == len(_PATH) - 1:
                    yield
                else:
                    yield from _spans(body, at, min(at + size, end), level + 1)
            at += size
        elif kind == 0:
            _, at = _varint(body, at, end)
        elif kind in _FIXED_BYTES:
            at += _FIXED_BYTES[kind]
        else:  # groups, which OTLP has not, and what is no protobuf
            return


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends; a broken one ends everything."""
    value = 0
    for step in range(_VARINT_BYTES):
        if at >= end:
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:  # noqa: PLR2004 (the bit that says that more follows)
            return value, at
    return 0, end
