"""Verifies one stream, segment by segment; it can be asked to read on when a writer has gone on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storescope.middleware._audit._verify._chain import BEHIND, Chain
from storescope.middleware._audit._verify._read import BrokenError, VanishedError, is_there, read_lines
from storescope.middleware._audit._verify._report import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from nacl.public import PrivateKey

    from storescope.middleware._audit._verify._notes import Notes


class Gap(NamedTuple):
    """Segments that are not there: the first and the last of them, and whether the one before still is."""

    first: int
    last: int
    inside: bool


class StreamCheck:
    """The verification of one stream.

    Attributes:
        stream: The stream's id.
        chain: Where it stands.
        findings: What is wrong with the segments that are there; how the stream ends is told apart.
    """

    def __init__(
        self, folder: Path, stream: str, secret: PrivateKey, notes: Notes, progress: Callable[[int], None]
    ) -> None:
        self.stream = stream
        self.chain = Chain(stream, secret, notes)
        self.findings: list[Finding] = []
        self._folder = folder
        self._progress = progress
        self._numbers: set[int] = set()  # the segments that are there
        self._vanished: set[int] = set()  # those that were listed, and are not there any more
        self._number = 0  # the segment at hand
        self._position = 0  # how far it was followed, in bytes
        self._torn = False
        self._left = False  # whether it is not to be read on: for a fault, or because it vanished

    @property
    def first(self) -> int:
        """The number of the first segment that is there; 0 if none is."""
        return min(self._numbers, default=0)

    @property
    def cleared(self) -> bool:
        """Whether segments of it were removed while we read."""
        return any(gap.first > 1 and not gap.inside for gap in self.gaps())

    def read(self, numbers: Iterable[int]) -> bool:
        """Read what is there and was not read yet.

        Args:
            numbers: The numbers of the segments that are there.

        Returns:
            Whether there was anything new.

        Raises:
            AuditError: If a header is sealed to another key.
            OSError: If a file cannot be read.
        """
        before = (self._number, self._position, len(self._vanished))
        for number in sorted(numbers):
            if number > self._number:
                self._go_to(number)
            elif number == self._number and not self._left and not self.chain.closes:
                self._read_on()
        return before != (self._number, self._position, len(self._vanished))

    def gaps(self) -> Iterator[Gap]:
        """Yield which segments are not there, before one that is or was there."""
        expected = 1
        for number in sorted(self._numbers):
            if number > expected:
                yield self._gap(expected, number - 1)
            expected = number + 1
        last = max(self._vanished, default=0)
        if last >= expected:
            yield self._gap(expected, last)

    def _gap(self, first: int, last: int) -> Gap:
        # The oldest goes first: where the one before is still there, no retention took what follows.
        return Gap(first, last, inside=first > 1 and is_there(self._folder, self.stream, first - 1))

    def end(self) -> Finding | None:
        """Return what is wrong with how the stream ends; None if it is closed, altered or removed there."""
        chain, line = self.chain, self.chain.line
        if self._left or chain.closes == "stream" or max(self._vanished, default=0) > self._number:
            return None
        if self._torn:
            line, what = line + 1, "the last line is torn: the writer was stopped in it"
        elif not chain.opened:
            what = "the stream has no header yet" if self._number == 1 else "the last segment has no header yet"
        elif chain.closes:
            what = "its last segment is closed and says that another follows, which is not here (yet)"
        else:
            what = "intact up to an unsealed end: the writer is open, crashed, or the end was cut"
        return Finding(Verdict.UNSEALED, self.stream, line, what, self._number)

    def _go_to(self, number: int) -> None:
        """Go over to the next segment that is there."""
        joined = False
        if self._number and not self._left:
            joined = self.chain.closes == "segment" and number == self._number + 1
            if not self.chain.closes:
                what = "the segment ends without a closing seal, although a later one is here"
                self._find(Verdict.TRUNCATED, self.chain.line, what)
        after_end = not self._left and self.chain.closes == "stream"
        self.chain.begin(number, joined=joined)
        self._number, self._position, self._torn, self._left = number, 0, False, after_end
        self._numbers.add(number)
        if after_end:
            self._find(Verdict.ALTERED, 0, "a segment follows although the one before it closes the stream")
        else:
            self._read_on()

    def _read_on(self) -> None:
        """Follow the segment at hand as far as it goes.

        A writer on a full disk takes back half a line, which we may have read: so a fault is looked at again.
        """
        try:
            try:
                self._follow()
            except BrokenError:
                self._follow()
        except VanishedError:
            self._numbers.discard(self._number)
            self._vanished.add(self._number)
            self._left = True
        except BrokenError as broken:
            self._find(Verdict.ALTERED, broken.line, broken.what)
            self._left = True

    def _follow(self) -> None:
        self._torn = False
        for lines, rest in read_lines(self._folder, self.stream, self._number, self._position, self._progress):
            before = self.chain.line
            try:
                self.chain.follow(lines)
            finally:
                followed = self.chain.line - before
                self._position += sum(map(len, lines[:followed])) + followed
            self._torn = bool(rest)
            if rest and self.chain.closes:
                raise BrokenError(self.chain.line + 1, BEHIND)

    def _find(self, verdict: Verdict, line: int, what: str) -> None:
        self.findings.append(Finding(verdict, self.stream, line, what, self._number))
