"""What a run of traffic asked of a store, record by record, and what became of each attempt.

Every attempt on a record has a number, and writes it into several fields: a record that mixes two attempts shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

CANARY = "canary-4c8e"
"""Part of every record, and of no error's text."""

LISTED = ("message", "part")


class Fate(Enum):
    """What is known of an attempt."""

    ACKNOWLEDGED = auto()
    UNKNOWN = auto()
    """It may have been applied: it ended in such an error, was cancelled, or never ended."""
    REFUSED = auto()
    """It ended in an error that says that nothing was written."""


@dataclass(eq=False)
class Attempt:
    """One write.

    Attributes:
        number: Which of its record's it is, from 1.
        verb: `set` or `update`.
        body: The value or the updates.
        fate: What became of it.
        begun: When, as the ledger counts.
        ended: The same; None if it never did.
    """

    number: int
    verb: str
    body: dict[str, Any]
    fate: Fate = Fate.UNKNOWN
    begun: int = 0
    ended: int | None = None


@dataclass(eq=False)
class History:
    """All attempts on one record, in the order in which its one writer made them, one after the other."""

    entity: str
    id: str
    attempts: list[Attempt] = field(default_factory=list)

    def attempt(self, verb: str, session: str | None, text: str) -> Attempt:
        """Add an attempt. `set` writes the field `set`, each update one of its own."""
        number = len(self.attempts) + 1
        body: dict[str, Any] = {"first": number, "text": f"{CANARY}-{number}-{text}"}
        if verb == "set":
            body |= {"id": self.id, "set": number}
        else:
            body[f"u{number}"] = number
        if session is not None:
            body["sessionId"] = session
        attempt = Attempt(number, verb, {**body, "last": number})
        self.attempts.append(attempt)
        return attempt

    @property
    def is_certain(self) -> bool:
        """Whether each attempt's fate is known."""
        return all(attempt.fate is not Fate.UNKNOWN for attempt in self.attempts)

    @property
    def must_exist(self) -> bool:
        """Whether a write of it was acknowledged."""
        return any(attempt.fate is Fate.ACKNOWLEDGED for attempt in self.attempts)

    def arrival(self) -> Attempt | None:
        """Return the attempt that put the record into the session where it is, if every fate is known."""
        found, home = None, None
        for attempt in self.attempts:
            if attempt.fate is Fate.ACKNOWLEDGED and attempt.body.get("sessionId", home) != home:
                found, home = attempt, attempt.body["sessionId"]
        return found if self.is_certain else None


def fold(attempts: Iterable[Attempt]) -> dict[str, Any]:
    """Return the record that these attempts, applied in this order, leave behind."""
    record: dict[str, Any] = {}
    for attempt in attempts:
        record = dict(attempt.body) if attempt.verb == "set" else {**record, **attempt.body}
    return record


class Ledger:
    """The histories of a run, on one clock."""

    def __init__(self) -> None:
        self.histories: dict[tuple[str, str], History] = {}
        self.acknowledged = 0
        self._clock = count(1)

    def begin(self, history: History, attempt: Attempt) -> None:
        """Note that an attempt is made now."""
        self.histories[history.entity, history.id] = history
        attempt.begun = next(self._clock)

    def end(self, attempt: Attempt, fate: Fate) -> None:
        """Note what became of it."""
        attempt.ended = next(self._clock)
        attempt.fate = fate
        self.acknowledged += fate is Fate.ACKNOWLEDGED

    def of(self, entity: str) -> list[History]:
        """Return the histories of one kind of record."""
        return [history for history in self.histories.values() if history.entity == entity]

    def sessions(self, entity: str) -> set[str]:
        """Return every session that a record of this kind may be in."""
        return {
            attempt.body["sessionId"]
            for history in self.of(entity)
            for attempt in history.attempts
            if "sessionId" in attempt.body
        }
