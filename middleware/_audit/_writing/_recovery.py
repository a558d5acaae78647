"""Calls whose writer stopped before it knew their outcome: the next open records them as `unknown`."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope.middleware._audit._files import MOST_LINE_BYTES, open_now, streams_of
from storescope.middleware._audit._head import Head
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._record import CALL_FIELDS, own_record
from storescope.middleware._audit._writing._tails import last_record

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from storescope.middleware._audit._files import Segment

_INTENT, _OUTCOME = b'"phase":"intent"', b'"phase":"outcome"'
_CALL, _CALL_END = b'"call_id":', b',"operation":'


class Said(NamedTuple):
    """A record of the log itself: its phase, and its text from there on."""

    phase: str
    text: str


@contextmanager
def unfinished(folder: Path, stream: str) -> Generator[list[Said]]:
    """Find out what a stream's writer left undone, if that writer has stopped; nobody else does meanwhile.

    When the body ends, the stream is marked, so that it is not looked at again. The mark is a hint for writers and
    no part of the log.

    Args:
        folder: The audit folder.
        stream: The stream to look at.

    Yields:
        What must be said of it: an `unknown` outcome for each intent without one, then `recovery`. Nothing if the
        stream was closed, its writer lives, or it was seen to before.

    Raises:
        OSError: If its files cannot be read.
    """
    mark = folder / f"{stream}.recovered"
    segment = _left(folder, stream, mark)
    if segment is None:
        yield []
        return
    with segment.path.open("rb") as file:
        # Once more: while it waited to be locked, its writer may have closed it, or gone on to the next segment.
        if not _lock(file.fileno()) or _left(folder, stream, mark) != segment:
            yield []
            return
        streams = streams_of(folder)
        later = (each for other, found in streams.items() if other != stream for each in found)
        yield _what_to_say(streams[stream], later)
        mark.touch()


def _left(folder: Path, stream: str, mark: Path) -> Segment | None:
    """Return the last segment of a stream if it is not closed and nobody has seen to it."""
    segments = streams_of(folder).get(stream, [])
    if not segments or segments[-1].packed or mark.exists():  # a stream is packed to its end once it is closed
        return None
    last = last_record(segments[-1])
    closed = last.get("phase") == "seal" and last.get("closes") == "stream"
    return None if closed else segments[-1]


def _lock(file: int) -> bool:
    """Return whether nobody else has it: its writer, or another who recovers it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _what_to_say(segments: list[Segment], later: Iterable[Segment]) -> list[Said]:
    intents: dict[bytes, bytes] = {}
    for segment in segments:
        _follow(segment, intents, learn=True)
    if intents:  # a writer that had to go on in a new stream may have left their outcomes there
        for segment in later:
            _follow(segment, intents, learn=False)
    said = [Said("outcome", text) for line in intents.values() if (text := _unknown(line)) is not None]
    last = last_record(segments[-1])
    head = Head(segments[-1].stream, last.get("seq", 0), last.get("mac", ""))
    return [*said, Said("recovery", own_record("recovery", {"from": head.to_dict(), "unknown": len(said)}))]


def _follow(segment: Segment, intents: dict[bytes, bytes], *, learn: bool) -> None:
    """Add the intents of a segment, and take away those that have an outcome."""
    with open_now(segment)[1] as file:
        while (line := file.readline(MOST_LINE_BYTES)).endswith(b"\n"):
            if _OUTCOME in line:
                intents.pop(_call_of(line), None)
            elif learn and _INTENT in line:
                intents[_call_of(line)] = line


def _call_of(line: bytes) -> bytes:
    """Return the bytes of a record's `call_id` and `attempt`, which an intent and its outcome share."""
    begin = line.find(_CALL)
    return line[begin : line.find(_CALL_END, begin)]


def _unknown(line: bytes) -> str | None:
    """Return the outcome of an intent that has none; None if the intent cannot be read."""
    try:
        intent: dict[str, Any] = json.loads(line)
        fields = {name: intent[name] for name in CALL_FIELDS}
        of = {"stream": intent["stream"], "seq": intent["seq"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # the verifier says that it was altered
    fields |= {"outcome": "unknown", "error_type": None, "duration_us": None}
    return to_json({"phase": "outcome", **fields, "intent": of})[1:-1]
