"""Where a reader has come to in one stream: it goes on when the file grows, rotates or is compressed."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from storescope.middleware._audit._files import MOST_LINE_BYTES, Segment, open_now
from storescope.middleware._audit._line import is_ts, parse_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a segment raises if the disk fails or the file does not unpack."""

_CLOSING = ("segment", "stream")  # what a seal closes for good

Key: TypeAlias = tuple[str, str, int]
"""By which records of all streams are put in order: time, stream, number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as it was read.

    Attributes:
        record: Its fields.
        line: The very bytes of its line, without the line feed.
        ts: When it was written; where the record gives no time, that of the record before it.
    """

    record: dict[str, Any]
    line: bytes
    ts: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be shown.

    Attributes:
        path: The file.
        line: The line in it, from 1; 0 where the file as a whole is meant.
        what: Why.
    """

    path: Path
    line: int
    what: str


class Cursor:
    """Reads one stream, record by record, over its segments.

    Attributes:
        entry: The record that is next; None if there is none yet, or it must be read again.
        key: Its place among those of other streams.
        torn: Whether half a line stands at the stream's end.
    """

    def __init__(self, stream: str, report: Callable[[Problem], None]) -> None:
        self.entry: Entry | None = None
        self.key: Key = ("", stream, 0)
        self.torn = False
        self._report = report
        self._segments: dict[int, Segment] = {}
        self._number = 0
        self._next: int | None = None  # the number of the segment behind
        self._file: IO[bytes] | None = None
        self._offset = self._end = 0  # where the line of `entry` begins and ends, unpacked
        self._line = 0  # how many lines are before it
        self._limit: int | None = None  # what stood there when the pass began: a fast writer never ends it
        self._seen = -1  # the file's size when its end was reached
        self._closed = False  # by its seal, or because it is compressed: it will not grow

    @property
    def is_open(self) -> bool:
        """Whether it holds a file open."""
        return self._file is not None

    def listed(self, segments: Sequence[Segment]) -> None:
        """Take what the folder holds of the stream now."""
        self._segments = {segment.number: segment for segment in segments}
        if not self._number:
            self._number = min(self._segments)
        self._find_next()

    def may_go_on(self) -> bool:
        """Return whether there may be more than was read; asked when a pass begins."""
        self._limit = None
        segment = self._segments.get(self._number)
        if self._next is not None or self._closed or segment is None:
            return self._next is not None
        try:
            return segment.packed or segment.path.stat().st_size != self._seen
        except OSError:  # compressed or taken away a moment ago: opening it tells
            return True

    def advance(self) -> bool:
        """Go to the next record.

        Returns:
            Whether there is one now.
        """
        if self.entry is not None:
            self.entry, self._offset, self._line = None, self._end, self._line + 1
        while True:
            try:
                line = self._read_line() if self._file is not None or self._open() else None
            except UNREADABLE as error:
                why = (isinstance(error, OSError) and error.strerror) or "it does not unpack"
                self._problem(0, f"cannot be read to its end: {why}")
                self._closed, line = True, None
            if line is not None:
                if self._take(line):
                    return True
            elif not self._go_to_next_segment():
                return False

    def park(self) -> None:
        """Close the file and forget the record; `advance` reads it again."""
        self.entry = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def report_torn(self) -> None:
        """Report half a line that stands at the end."""
        if self.torn:
            self._problem(self._line + 1, "the line is torn: it has no end")

    def _open(self) -> bool:
        """Open the segment where reading goes on; False if it is there no more."""
        segment = self._segments.get(self._number)
        if segment is None:
            return False
        try:
            segment, self._file = open_now(segment)
        except FileNotFoundError:  # retention, or a thief: the verifier tells them apart
            if not self._closed:
                self._problem(0, "was taken away before it was read to its end")
            self._closed = True
            return False
        self._segments[self._number] = segment
        if not segment.packed:
            self._size_up(os.fstat(self._file.fileno()).st_size)
        self._file.seek(self._offset)
        return True

    def _size_up(self, size: int) -> None:
        if size < self._offset:
            self._problem(0, "is shorter than what was read of it")
        if self._limit is None and self._next is None:
            self._limit = size

    def _read_line(self) -> bytes | None:
        """Return the next line with its line feed; None at the end, or where only half a line stands."""
        file = self._file
        while file is not None:
            if self._limit is not None and self._offset >= self._limit:
                self._seen, self.torn = self._limit, False
                return None
            line = file.readline(MOST_LINE_BYTES)
            if line.endswith(b"\n"):
                return line
            if len(line) < MOST_LINE_BYTES:
                self._seen, self.torn = self._offset + len(line), bool(line)
                self._closed |= self._segments[self._number].packed
                return None
            self._pass_over(file, len(line))
        return None

    def _pass_over(self, file: IO[bytes], size: int) -> None:
        """Go behind a line that is too long, of which so much was read."""
        while more := file.readline(MOST_LINE_BYTES):
            size += len(more)
            if more.endswith(b"\n"):
                break
        self._offset, self._line = self._offset + size, self._line + 1
        self._problem(self._line, "the line is longer than any record can be")

    def _take(self, line: bytes) -> bool:
        """Make a line the next record; report it if it is none."""
        end = self._offset + len(line)
        try:
            record = parse_record(line[:-1])
        except ValueError as error:
            self._offset, self._line = end, self._line + 1
            self._problem(self._line, f"the line is not an audit record: {error}")
            return False
        ts = record["ts"] if is_ts(record["ts"]) else self.key[0]
        self.entry, self._end = Entry(record, line[:-1], ts), end
        self.key = (ts, self.key[1], record["seq"])
        if record["phase"] == "seal" and record.get("closes") in _CLOSING:
            self._closed = True
        return True

    def _go_to_next_segment(self) -> bool:
        """Leave a segment that was read to its end; False if the next is not there yet."""
        self.park()
        if self._next is None:
            return False
        self.report_torn()
        self._number, self._offset, self._line = self._next, 0, 0
        self._limit, self._seen, self._closed, self.torn = None, -1, False, False
        self._find_next()
        return True

    def _find_next(self) -> None:
        self._next = min((number for number in self._segments if number > self._number), default=None)

    def _problem(self, line: int, what: str) -> None:
        segment = self._segments.get(self._number)
        if segment is not None:
            self._report(Problem(segment.path, line, what))
