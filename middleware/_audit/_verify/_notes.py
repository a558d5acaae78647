"""What the records of a folder say of its streams: heads, tombstones, and how much went unlogged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storescope.middleware._audit._head import Head
    from storescope.middleware._audit._verify._parse import Removal

_TEXT = ("utf-8", "surrogatepass")  # a forged head may hold anything


@dataclass(slots=True)
class Notes:
    """What was learned so far. It grows with the heads and tombstones of a folder, never with its records.

    Attributes:
        retention: How old a segment must be before it may be removed; None if nobody said.
        wanted: Stream -> the numbers of the records whose MACs somebody may ask for.
        said: Stream -> the heads that verified headers and the anchor give, each as `head_bytes`.
        found: Stream -> the same of the records that were wanted and read.
        removed: Stream -> what tombstones say of its segments, by segment.
        ends: Stream -> what tombstones say of the last records of its segments, number -> MAC.
        too_early: The streams of which a segment was removed before its time, with the segment.
        intents: How many intents were read.
        outcomes: How many outcomes of writes were read.
        unlogged: The sum of what gaps say.
    """

    retention: timedelta | None = None
    wanted: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    said: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    found: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    removed: defaultdict[str, dict[int, set[Removal]]] = field(default_factory=lambda: defaultdict(dict))
    ends: defaultdict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    too_early: dict[str, int] = field(default_factory=dict)
    intents: int = 0
    outcomes: int = 0
    unlogged: int = 0
    _last: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def want(self, heads: Iterable[Head]) -> None:
        """Ask for the MACs of the records that heads name."""
        for head in heads:
            self.wanted[head.stream].add(head.seq)

    def hear(self, heads: Iterable[Head]) -> None:
        """Hold streams to what a verified header announces.

        What nobody had asked for by then is left out: its stream may have been read already. That happens only to
        headers that were written while we read.
        """
        for head in heads:
            if head.seq in self.wanted.get(head.stream, ()):
                self.said[head.stream].add(head_bytes(head.seq, head.mac))

    def find(self, stream: str, seq: int, mac: str) -> None:
        """Keep the MAC of a record that somebody may ask for."""
        self.found[stream].add(head_bytes(seq, mac))

    def missed(self, stream: str) -> set[tuple[int, str]]:
        """Return which heads of a stream are not among its records."""
        missed = self.said.get(stream, set()) - self.found.get(stream, set())
        return {(int(seq), mac.decode(*_TEXT)) for seq, _, mac in (head.partition(b" ") for head in missed)}

    def bury(self, removals: Iterable[Removal], at: str) -> None:
        """Take what a tombstone of that time says."""
        for removal in removals:
            stream, segment = removal.stream, removal.segment
            self.removed[stream].setdefault(segment, set()).add(removal)
            self.ends[stream].setdefault(removal.seq, set()).add(removal.mac)
            self._last[stream] = max(segment, self._last[stream])
            if self.retention is not None and not _old_enough(removal.sealed_at, at, self.retention):
                self.too_early.setdefault(stream, segment)

    def count(self, intents: int, outcomes: int) -> None:
        """Count intents and outcomes of writes: there should be one for each."""
        self.intents += intents
        self.outcomes += outcomes

    def last_removal(self, stream: str) -> int:
        """Return up to which segment a stream was removed; 0 if no tombstone speaks of it."""
        return self._last.get(stream, 0)

    def covers(self, stream: str, segment: int, seq: int, mac: str) -> bool:
        """Return whether a tombstone speaks for segments up to this one, and for that record."""
        last = self.last_removal(stream)
        if not last or last < segment or all(seq > one.seq for one in self.removed[stream][last]):
            return False
        return self.ends[stream].get(seq, {mac}) == {mac}


def head_bytes(seq: int, mac: str) -> bytes:
    """Return a head as one small object: of a large folder, there are many."""
    return b"%d %b" % (seq, mac.encode(*_TEXT))


def _old_enough(sealed_at: str, at: str, retention: timedelta) -> bool:
    try:
        age = datetime.fromisoformat(at) - datetime.fromisoformat(sealed_at)
    except (ValueError, TypeError):  # no time at all, or one without its zone: it proves no age
        return False
    return age >= retention
