"""Passes over what is too old to be asked for: whole segments, by the times in their headers and seals.

Those times are under the MAC. A file's own time is not: whoever sets it back would hide the file.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from storescope.middleware._audit._files import MOST_LINE_BYTES, open_now
from storescope.middleware._audit._line import is_ts, parse_record
from storescope.middleware._audit._reading._cursor import UNREADABLE
from storescope.middleware._audit._reading._heads import last_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.middleware._audit._files import Segment

_SET_BACK = timedelta(hours=1)  # by so much a clock may have been set back in the middle of a segment


def from_then(segments: Sequence[Segment], since: str) -> Sequence[Segment]:
    """Return the segments of a stream that may hold records from a time on.

    Args:
        segments: All of them, oldest first.
        since: The time, as `ts`.

    Returns:
        The last ones; none if the stream was closed before.
    """
    try:
        before = ts_of(datetime.fromisoformat(since) - _SET_BACK)
    except OverflowError:  # before the calendar began
        return segments
    if _closed_before(segments, before):
        return []
    first = 0
    while first + 1 < len(segments) and _began_before(segments[first + 1], before):
        first += 1
    return segments[first:]


def surely_behind(until: str) -> str:
    """Return the time, as `ts`, behind which nothing up to `until` is to be expected any more."""
    try:
        return ts_of(datetime.fromisoformat(until) + _SET_BACK)
    except OverflowError:  # after the calendar ends
        return until


def ts_of(moment: datetime) -> str:
    """Return a moment as `ts` has it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _closed_before(segments: Sequence[Segment], ts: str) -> bool:
    try:
        last = last_record(segments[-1:])
    except (ValueError, *UNREADABLE):  # reading it will tell
        return False
    return last is not None and last.get("closes") == "stream" and _is_before(last, ts)


def _began_before(segment: Segment, ts: str) -> bool:
    try:
        with open_now(segment)[1] as file:
            return _is_before(parse_record(file.readline(MOST_LINE_BYTES).removesuffix(b"\n")), ts)
    except (ValueError, *UNREADABLE):
        return False


def _is_before(record: dict[str, Any], ts: str) -> bool:
    return is_ts(record["ts"]) and record["ts"] < ts
