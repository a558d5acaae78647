"""Reads the end of a segment: how far its stream had come, and whether it is closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from storescope.middleware._audit._files import MOST_LINE_BYTES, open_now

if TYPE_CHECKING:
    from typing import IO

    from storescope.middleware._audit._files import Segment

_TAIL_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
_TOO_LONG = "the last line is longer than any record can be"


class End(NamedTuple):
    """The end of a segment.

    Attributes:
        line: The last line that has its line feed, without it; None if there is none.
        torn: Whether half a line stands behind it.
    """

    line: bytes | None
    torn: bool


def end_of(segment: Segment) -> End:
    """Read the end of a segment, in the form that it has now.

    Raises:
        ValueError: If the last line is longer than any record can be.
        OSError, EOFError, zlib.error: If the file cannot be read.
    """
    segment, file = open_now(segment)
    with file:
        end = _of_packed(file) if segment.packed else _of_plain(file)
    if end.line is not None and len(end.line) >= MOST_LINE_BYTES:
        raise ValueError(_TOO_LONG)
    return end


def _of_plain(file: IO[bytes]) -> End:
    """Read backwards, in growing pieces: a header with many announcements is long."""
    size, tail = file.seek(0, os.SEEK_END), _TAIL_BYTES
    while True:
        file.seek(max(0, size - tail))
        whole, ended, rest = file.read(min(tail, size)).rpartition(b"\n")
        _, found, line = whole.rpartition(b"\n")
        if found or (ended and tail >= size):
            return End(line, bool(rest))
        if tail >= size:
            return End(None, bool(rest))
        if tail > 2 * MOST_LINE_BYTES:  # of the torn line and of the last whole one
            raise ValueError(_TOO_LONG)
        tail *= 4


def _of_packed(file: IO[bytes]) -> End:
    """Read what is compressed from its beginning: there is no other way to its end."""
    last, rest = None, b""
    while chunk := file.read(_CHUNK_BYTES):
        whole, ended, rest = (rest + chunk).rpartition(b"\n")
        if ended:
            last = whole.rpartition(b"\n")[2]
        elif len(rest) > MOST_LINE_BYTES:
            raise ValueError(_TOO_LONG)
    return End(last, bool(rest))
