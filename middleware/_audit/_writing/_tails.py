"""Reads how far the streams of a folder have come, from the ends of their files."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from storescope.middleware._audit._ends import end_of
from storescope.middleware._audit._files import MOST_LINE_BYTES, Segment, streams_of
from storescope.middleware._audit._head import Head

if TYPE_CHECKING:
    from pathlib import Path


def heads_of(folder: Path, *, but: str | None = None) -> list[Head]:
    """Return how far the streams of a folder have come, where no header of the folder says it already.

    A stream is packed to its end only after a header gave its head, so packed ends are not read.

    Args:
        folder: The audit folder.
        but: A stream to leave out: the reader's own.

    Raises:
        OSError: If the folder cannot be read.
    """
    streams = streams_of(folder)
    given = {head for segments in streams.values() for segment in segments for head in _heads_in(segment)}
    ends = (segments[-1] for stream, segments in streams.items() if stream != but and not segments[-1].packed)
    heads = (head_of(segment) for segment in ends)
    return [head for head in heads if head is not None and head not in given]


def head_of(segment: Segment) -> Head | None:
    """Return the last whole record of a segment that is not packed; None if there is none that can be read."""
    return _head({**last_record(segment), "stream": segment.stream})


def last_record(segment: Segment) -> dict[str, Any]:
    """Return the last whole record of a segment that is not packed; nothing if there is none that can be read."""
    try:
        record = json.loads(end_of(segment).line or b"")
    except (FileNotFoundError, ValueError, RecursionError):
        return {}  # packed meanwhile; or damaged, and the verifier says how
    return record if isinstance(record, dict) else {}


def _heads_in(segment: Segment) -> list[Head]:
    """Return what a segment's header says of other streams."""
    try:
        with segment.open() as file:
            given = json.loads(file.readline(MOST_LINE_BYTES))["heads"]
        return [head for each in given if (head := _head(each)) is not None]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return []


def _head(found: Any) -> Head | None:
    try:
        stream, seq, mac = found["stream"], found["seq"], found["mac"]
    except (KeyError, TypeError):
        return None
    well_formed = type(stream) is str and type(seq) is int and type(mac) is str
    return Head(stream, seq, mac) if well_formed else None
