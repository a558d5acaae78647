"""What a verification found, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any


class Verdict(IntEnum):
    """The exit codes of `storescope audit verify`."""

    INTACT = 0
    ALTERED = 1
    USAGE = 2
    UNSEALED = 3
    TRUNCATED = 4
    MISSING = 5

    @property
    def text(self) -> str:
        """Its name, as JSON and people have it."""
        return self.name.lower()


_WORST_FIRST = (Verdict.ALTERED, Verdict.TRUNCATED, Verdict.MISSING, Verdict.UNSEALED)
_MOST_FINDINGS = 1000  # of a folder that someone filled with faults, the first tell enough


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where.

    Attributes:
        verdict: How bad it is.
        stream: The stream's id; a file's name where that tells of no stream.
        line: The line in its file, from 1; 0 where the file or the stream as a whole is meant.
        what: One sentence.
        segment: The number of the segment; 0 where the stream as a whole is meant.
    """

    verdict: Verdict
    stream: str
    line: int
    what: str
    segment: int = 0

    @property
    def where(self) -> str:
        """The place, for people: a file's name or a forged header may hold anything."""
        place = f"stream {self.stream.encode('unicode_escape').decode()}"
        if self.segment > 1:
            place += f", segment {self.segment}"
        return place + (f", line {self.line}" if self.line else "")


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream, as far as it could be verified.

    Attributes:
        stream: Its id.
        verdict: The worst that holds of it.
        records: How many of its records were verified.
        unsealed: How many of those stand behind its last seal.
        seq: The number of the last of them; 0 if there is none.
        mac: Its MAC, hex; empty if there is none.
        removed: How many of its segments retention took away, as a tombstone says.
        anchored: How far the anchor covers it: the highest number of its heads there; 0 if there is none.
    """

    stream: str
    verdict: Verdict
    records: int
    unsealed: int
    seq: int
    mac: str
    removed: int
    anchored: int

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "verdict": self.verdict.text}


@dataclass(slots=True)
class Report:
    """The result of a verification.

    Attributes:
        verdict: The folder's exit code.
        streams: How many streams were read.
        records: How many records were verified.
        findings: What is wrong, the worst first, at most 1,000; empty if the log is intact.
        by_stream: Each stream that was read.
        unlogged: How many records the log says that it could not take (`gap`).
        unanswered: How many intents have no outcome: the difference of their counts.
        removed: How many segments retention took away, as tombstones say.
        anchor_heads: How many heads of the anchor were checked; None without an anchor.
    """

    verdict: Verdict = Verdict.INTACT
    streams: int = 0
    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    by_stream: list[StreamReport] = field(default_factory=list)
    unlogged: int = 0
    unanswered: int = 0
    removed: int = 0
    anchor_heads: int | None = None

    @property
    def anchored(self) -> bool:
        """Whether heads that were kept elsewhere were checked."""
        return self.anchor_heads is not None

    @property
    def beyond_anchor(self) -> list[str]:
        """The streams that go on behind their last head in the anchor, or have none there."""
        return [part.stream for part in self.by_stream if part.seq > part.anchored] if self.anchored else []

    def conclude(self, findings: list[Finding]) -> None:
        """Take the findings, the worst first, and the verdict that they make."""
        findings.sort(key=lambda finding: _WORST_FIRST.index(finding.verdict))
        self.verdict = findings[0].verdict if findings else Verdict.INTACT
        self.findings = findings[:_MOST_FINDINGS]

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "verdict": self.verdict.text,
            "exit_code": int(self.verdict),
            "streams": self.streams,
            "records": self.records,
            "unlogged": self.unlogged,
            "unanswered": self.unanswered,
            "removed_segments": self.removed,
            "anchored": self.anchored,
            "anchor_heads": self.anchor_heads or 0,
            "beyond_anchor": self.beyond_anchor,
            "findings": [{**asdict(finding), "verdict": finding.verdict.text} for finding in self.findings],
            "by_stream": [part.to_dict() for part in self.by_stream],
        }

    def summary(self) -> str:
        """Return one line for people."""
        counts = f"{self.records} records in {_count(self.streams, 'stream')}"
        if self.removed:
            counts += f", {_count(self.removed, 'segment')} removed by retention"
        if self.unlogged:
            counts += f", {self.unlogged} not logged"
        if not self.findings:
            return f"intact: {counts}; {self._anchoring()}"
        worst = self.findings[0]
        more = f", {len(self.findings) - 1} more in --json" if len(self.findings) > 1 else ""
        return f"{self.verdict.text}: {worst.where}: {worst.what}{more} ({counts} verified; {self._anchoring()})"

    def _anchoring(self) -> str:
        if self.anchor_heads is None:
            return "self-consistent, not anchored"
        text = f"{_count(self.anchor_heads, 'head')} of the anchor checked"
        beyond = len(self.beyond_anchor)
        return text + (f", {_count(beyond, 'stream')} not anchored to the end" if beyond else "")


def worst_of(findings: list[Finding]) -> Verdict:
    """Return the verdict that findings of one stream make."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.INTACT)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
