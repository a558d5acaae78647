"""Verifies a folder, which writers may be writing to meanwhile.

First the headers are read, to learn which records' MACs will be asked for, so that no other needs to be kept; then
every stream. What then seems missing or cut may only have come, been packed or been removed while we read: before
that is said, the folder is read on, until it tells nothing new or several times in vain.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from storescope.errors import AuditError
from storescope.middleware._audit._files import Segment, log_files
from storescope.middleware._audit._keys import load_secret
from storescope.middleware._audit._record import FORMAT
from storescope.middleware._audit._verify import _parse as parse
from storescope.middleware._audit._verify._anchors import heads_of_anchor
from storescope.middleware._audit._verify._chain import check_auditor
from storescope.middleware._audit._verify._judge import judge
from storescope.middleware._audit._verify._notes import Notes
from storescope.middleware._audit._verify._read import first_line
from storescope.middleware._audit._verify._report import Finding, Report, StreamReport, Verdict, worst_of
from storescope.middleware._audit._verify._stream import StreamCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacl.public import PrivateKey

_SUSPECT = {Verdict.TRUNCATED, Verdict.MISSING}
_SETTLED = 5  # so often we read on in vain before we say so, while writers go on
_ROUNDS = 50


def verify(
    folder: str | Path,
    key: str | Path,
    *,
    anchor: str | Path | None = None,
    retention: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify every stream of a folder.

    Writers may be writing to it: what they had written when it began is verified.

    Args:
        folder: The audit folder.
        key: The auditor's secret key, `NAME.key`.
        anchor: A file of heads that was kept elsewhere, as `storescope audit anchor` prints them; the
            application's own log in JSON, with its `storescope.audit.head` lines, is one too.
        retention: How many days segments are kept; one that was removed earlier is reported as truncated.
        progress: Told now and then how many bytes of the files were read so far.

    Returns:
        The report.

    Raises:
        AuditError: If the folder holds no stream or cannot be read, the key is not the one it is sealed to, the
            anchor cannot be read or holds no head, or the retention is no number of days.
    """
    secret = load_secret(key)
    notes = Notes(None if retention is None else _days(retention))
    anchored: dict[str, int] = {}
    heads = 0
    for head in () if anchor is None else heads_of_anchor(Path(anchor)):
        notes.want([head])
        notes.hear([head])
        anchored[head.stream] = max(head.seq, anchored.get(head.stream, 0))
        heads += 1
    try:
        check = _FolderCheck(Path(folder), secret, notes, progress)
        check.run()
    except OSError as error:
        raise AuditError(f"{error.filename or folder}: cannot be read: {error.strerror}") from None
    return _report(check, notes, anchored, None if anchor is None else heads)


def _days(retention: float) -> timedelta:
    try:
        return timedelta(days=retention)
    except (ValueError, OverflowError):
        raise AuditError(f"the retention must be a number of days, not {retention}") from None


class _FolderCheck:
    """The verification of one folder."""

    def __init__(
        self, folder: Path, secret: PrivateKey, notes: Notes, progress: Callable[[int], None] | None
    ) -> None:
        self.checks: dict[str, StreamCheck] = {}
        self.strays: set[str] = set()
        self.found: dict[str, list[Finding]] = {}
        self._folder = folder
        self._secret = secret
        self._notes = notes
        self._progress = progress
        self._bytes = 0
        self._numbers: defaultdict[str, set[int]] = defaultdict(set)

    def run(self) -> None:
        """Read it, and read on until what seems missing is sure to be."""
        for _ in range(_ROUNDS):
            listed = self._list()
            if not listed:
                break
            self._look_ahead(listed)
        if not self._numbers and not self.strays:
            raise AuditError(f"{self._folder}: holds no audit stream")
        self._read()
        ages: dict[Finding, int] = {}
        for _ in range(_ROUNDS):
            self.found = judge(self.checks, self._notes)
            suspects = [found for several in self.found.values() for found in several if found.verdict in _SUSPECT]
            ages = {found: ages.get(found, 0) + 1 for found in suspects}
            if max(ages.values(), default=_SETTLED) >= _SETTLED:
                break
            listed = self._list()
            if not self._read() and not listed:  # nothing comes that could explain it
                return
        unsettled = {found for found, age in ages.items() if age < _SETTLED}
        self.found = {
            stream: [found for found in several if found not in unsettled]
            for stream, several in self.found.items()
        }

    def _list(self) -> list[tuple[str, int]]:
        """Return the segments that were not listed before.

        While a writer packs a segment, one listing may miss both of its forms: the next has it.
        """
        new: list[tuple[str, int]] = []
        for path in log_files(self._folder):
            segment = Segment.of(path)
            if segment is None:
                self.strays.add(path.name)
            elif segment.number not in self._numbers[segment.stream]:
                self._numbers[segment.stream].add(segment.number)
                new.append((segment.stream, segment.number))
        return new

    def _look_ahead(self, segments: list[tuple[str, int]]) -> None:
        """Learn which records the headers name, whether they are sound or not."""
        for stream, number in segments:
            header = parse.strict(first_line(self._folder, stream, number))
            if header is not None and header["phase"] == "header" and header.get("format") == FORMAT:
                check_auditor(header, stream, self._secret)
                self._notes.want(parse.heads_in(header) or ())

    def _read(self) -> bool:
        """Read every stream as far as it goes; return whether there was anything new."""
        news = False
        for stream in sorted(self._numbers):
            if stream not in self.checks:
                self.checks[stream] = StreamCheck(
                    self._folder, stream, self._secret, self._notes, self._count_bytes
                )
            news = self.checks[stream].read(self._numbers[stream]) or news
        return news

    def _count_bytes(self, read: int) -> None:
        self._bytes += read
        if self._progress is not None:
            self._progress(self._bytes)


def _report(check: _FolderCheck, notes: Notes, anchored: dict[str, int], heads: int | None) -> Report:
    findings = [finding for several in check.found.values() for finding in several]
    what = "the file's name is not one that a writer gives"
    findings += [Finding(Verdict.ALTERED, name, 0, what) for name in check.strays]
    report = Report(
        streams=len(check.checks) + len(check.strays),
        records=sum(one.chain.records for one in check.checks.values()),
        unlogged=notes.unlogged,
        unanswered=max(0, notes.intents - notes.outcomes),
        removed=sum(_removed(check.checks.get(stream), notes.last_removal(stream)) for stream in notes.removed),
        anchor_heads=heads,
    )
    for stream, one in check.checks.items():
        chain = one.chain
        report.by_stream.append(
            StreamReport(
                stream,
                verdict=worst_of(check.found.get(stream, [])),
                records=chain.records,
                unsealed=max(0, chain.seq + 1 - chain.first) if chain.records else 0,
                seq=chain.seq,
                mac=chain.mac.hex() if chain.records else "",
                removed=_removed(one, notes.last_removal(stream)),
                anchored=anchored.get(stream, 0),
            )
        )
    report.conclude(findings)
    return report


def _removed(check: StreamCheck | None, last: int) -> int:
    """Return how many segments are not there because of a tombstone for all up to `last`."""
    return last if check is None or not check.first else min(last, check.first - 1)
