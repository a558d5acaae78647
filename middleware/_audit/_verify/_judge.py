"""What a folder's streams and what is said of them come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.middleware._audit._verify._report import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from storescope.middleware._audit._verify._notes import Notes
    from storescope.middleware._audit._verify._stream import Gap, StreamCheck


def judge(checks: Mapping[str, StreamCheck], notes: Notes) -> dict[str, list[Finding]]:
    """Return what is wrong with each stream.

    Args:
        checks: The verification of every stream of which a file was listed.
        notes: What is said of them, and of others.

    Returns:
        Stream -> its findings.
    """
    found: dict[str, list[Finding]] = {}
    for stream in sorted({*checks, *notes.said, *notes.removed}):
        check = checks.get(stream)
        found[stream] = list(_gone(stream, notes) if check is None or not check.first else _there(check, notes))
        if stream in notes.too_early:
            what = "a segment was removed before its time"
            found[stream].append(Finding(Verdict.TRUNCATED, stream, 0, what, notes.too_early[stream]))
        if check is not None and not check.first and not notes.removed.get(stream):
            what = "it was here when the verification began; it is not any more, and no tombstone says why"
            found[stream].append(Finding(Verdict.MISSING, stream, 0, what))
    return found


def _gone(stream: str, notes: Notes) -> Iterator[Finding]:
    last = notes.last_removal(stream)
    if last and any(removal.closes != "stream" for removal in notes.removed[stream][last]):
        what = "a tombstone says that more of it followed than was removed, and it is not here"
        yield Finding(Verdict.MISSING, stream, 0, what, last + 1)
    if not all(notes.covers(stream, 0, seq, mac) for seq, mac in notes.missed(stream)):
        what = "another stream or the anchor has a head of it, and it is not here"
        yield Finding(Verdict.MISSING, stream, 0, what)


def _there(check: StreamCheck, notes: Notes) -> Iterator[Finding]:
    yield from check.findings
    for gap in check.gaps():
        yield from _gap(check, gap, notes)
    if (end := check.end()) is not None:
        yield end
    altered = _altered_by_tombstone(check, notes)
    if altered is not None:
        yield altered
    elif all(finding.verdict is not Verdict.ALTERED for finding in check.findings):
        yield from _heads(check, notes)


def _gap(check: StreamCheck, gap: Gap, notes: Notes) -> Iterator[Finding]:
    if not gap.inside and notes.last_removal(check.stream) >= gap.last:
        return
    several = gap.last > gap.first
    which = f"segments {gap.first} to {gap.last} are" if several else f"segment {gap.first} is"
    what = f"{which} not here, and no tombstone says why"
    yield Finding(Verdict.MISSING, check.stream, 0, what, gap.first)


def _altered_by_tombstone(check: StreamCheck, notes: Notes) -> Finding | None:
    """Hold the first segment that is there to what a tombstone says of the one before it."""
    begins = check.chain.begins
    if begins is None or begins.segment != check.first:
        return None
    for removal in notes.removed.get(check.stream, {}).get(check.first - 1, ()):
        follows = (removal.seq + 1, removal.mac, removal.epoch + 1, "segment")
        if follows != (begins.seq, begins.prev, begins.epoch, removal.closes):
            what = "the segment does not go on from the one before it, which a tombstone speaks of"
            return Finding(Verdict.ALTERED, check.stream, 1, what, check.first)
    return None


def _heads(check: StreamCheck, notes: Notes) -> Iterator[Finding]:
    begins = check.chain.begins
    missed = notes.missed(check.stream)
    any_before = begins is None or begins.segment != check.first or (bool(missed) and check.cleared)
    for seq, mac in missed:
        before = any_before or (begins is not None and seq < begins.seq)
        if not before or not notes.covers(check.stream, check.first - 1, seq, mac):
            what = "it is shorter or other than a head of it says, which another stream or the anchor has"
            yield Finding(Verdict.TRUNCATED, check.stream, 0, what)
            return
