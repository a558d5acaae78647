"""Reads an audit folder as one log: the records of all streams in order of time, also while writers write.

Memory is constant: of each stream one place is kept, and few of them hold a file open.
"""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from storescope.errors import AuditError
from storescope.middleware._audit._files import Segment, log_files, streams_of
from storescope.middleware._audit._reading._cursor import Cursor, Entry, Key, Problem
from storescope.middleware._audit._reading._since import from_then

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

_MOST_OPEN = 64  # files at once; thousands of streams may overlap
_MOST_HELD_BYTES = 8 * 1024 * 1024  # of lines that wait for their turn; parsed they take a multiple
_SHORT_BYTES = 64 * 1024
_MOST_PROBLEMS = 20  # reported of one file: it may be millions of lines of something else
_RACY_NS = 100_000_000  # a folder's time is coarse: soon after a change it may hide another
_RELIST_SECONDS = 5.0  # at the latest: a file server's clock may differ from ours
_TORN_SECONDS = 0.05  # what a writer that is in the middle of a line is given


class LogReader:
    """Reads the records of a folder. Each call of `read` goes on where the one before ended.

    Attributes:
        folder: The audit folder.
        problems: How many lines and files could not be shown.
    """

    def __init__(
        self, folder: str | Path, report: Callable[[Problem], None] | None = None, *, since: str | None = None
    ) -> None:
        """Read from the beginning.

        Args:
            folder: The audit folder.
            report: Called with what cannot be shown, such as a line that is no record.
            since: As `ts`. What lies in files that ended before it is not read; records before it may still come.

        Raises:
            AuditError: If the folder cannot be read.
        """
        self.folder = Path(folder)
        self.problems = 0
        self._tell = report
        self._since = since
        self._told: Counter[Path] = Counter()
        self._cursors: dict[str, Cursor] = {}
        self._passed_over: set[str] = set()
        self._open: set[Cursor] = set()
        self._strangers: set[Path] = set()
        self._listed_at = -1
        self._list_again_at = 0.0
        self._list()

    @property
    def streams(self) -> int:
        """How many streams were found."""
        return len(self._cursors) + len(self._passed_over)

    def read(self) -> Iterator[Entry]:
        """Return the records that are there and were not returned before, in order of time.

        Within a stream the order is the stream's own, whatever its clock said.

        Raises:
            AuditError: If the folder cannot be read any more.
        """
        self._list()
        heap: list[tuple[Key, str]] = []
        for stream, cursor in self._cursors.items():
            if cursor.may_go_on() and cursor.advance():
                heap.append((cursor.key, stream))
                self._make_room(cursor)
        heapq.heapify(heap)
        while heap:
            key, stream = heap[0]
            cursor = self._cursors[stream]
            if cursor.entry is None and not cursor.advance():  # it was parked, and changed since
                heapq.heappop(heap)
            elif cursor.key != key:
                heapq.heapreplace(heap, (cursor.key, stream))
            else:
                if cursor.entry is not None:
                    yield cursor.entry
                if cursor.advance():
                    heapq.heapreplace(heap, (cursor.key, stream))
                else:
                    heapq.heappop(heap)
            self._make_room(cursor)

    def finish(self) -> Iterator[Entry]:
        """Return the last records, of writers that were in the middle of a line, and report lines without an end.

        Raises:
            AuditError: If the folder cannot be read any more.
        """
        if any(cursor.torn for cursor in self._cursors.values()):
            time.sleep(_TORN_SECONDS)
            yield from self.read()
        for cursor in self._cursors.values():
            cursor.report_torn()

    def close(self) -> None:
        """Close every file."""
        for cursor in self._open:
            cursor.park()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _list(self) -> None:
        """Look which streams and segments there are, unless nothing was made or taken away since."""
        now = time.time_ns()
        try:
            changed_at = self.folder.stat().st_mtime_ns
            if changed_at == self._listed_at and time.monotonic() < self._list_again_at:
                return
            streams, files = streams_of(self.folder), log_files(self.folder)
            os.scandir(self.folder).close()  # globbing takes what may not be read for empty
        except OSError as error:
            raise AuditError(f"{self.folder}: cannot be read: {error.strerror}") from None
        for stream, segments in streams.items():
            if stream not in self._cursors and stream not in self._passed_over:
                self._meet(stream, segments)
            elif stream in self._cursors:
                self._cursors[stream].listed(segments)
        for stream in self._cursors.keys() - streams.keys():
            self._cursors[stream].listed([])
        self._report_strangers(files)
        self._listed_at = changed_at if now - changed_at > _RACY_NS else -1
        self._list_again_at = time.monotonic() + _RELIST_SECONDS

    def _meet(self, stream: str, segments: Sequence[Segment]) -> None:
        """Take in a stream that was not there before; one that ended long ago is not read."""
        if self._since is not None:
            segments = from_then(segments, self._since)
        if segments:
            self._cursors[stream] = Cursor(stream, self._report)
            self._cursors[stream].listed(segments)
        else:
            self._passed_over.add(stream)

    def _report_strangers(self, files: list[Path]) -> None:
        for path in files:
            if path not in self._strangers and (Segment.of(path) is None or not path.is_file()):
                if not path.exists():  # compressed or taken away since it was listed
                    continue
                self._strangers.add(path)
                self._report(Problem(path, 0, "is not a file that a writer makes: it is not shown"))

    def _make_room(self, newest: Cursor) -> None:
        """Close files whose turn is far away, if there are too many or their lines are too long."""
        if not newest.is_open:
            self._open.discard(newest)
            return
        self._open.add(newest)
        while len(self._open) > _MOST_OPEN or (_size(newest) > _SHORT_BYTES and self._held() > _MOST_HELD_BYTES):
            others = self._open - {newest}
            if not others:
                return
            last = max(others, key=lambda cursor: cursor.key)
            last.park()
            self._open.discard(last)

    def _held(self) -> int:
        return sum(map(_size, self._open))

    def _report(self, problem: Problem) -> None:
        self.problems += 1
        self._told[problem.path] += 1
        told = self._told[problem.path]
        if self._tell is None or told > _MOST_PROBLEMS:
            return
        if told == _MOST_PROBLEMS:
            problem = Problem(problem.path, problem.line, f"{problem.what}; no more is said of this file")
        self._tell(problem)


def _size(cursor: Cursor) -> int:
    return 0 if cursor.entry is None else len(cursor.entry.line)
