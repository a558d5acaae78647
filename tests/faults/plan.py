"""What one writer does, attempt by attempt: settled by its number and a seed, so that it can be replayed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.faults.ledger import LISTED, Attempt, History

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENTITIES = ("message", "message", "message", "part", "part", "session", "session", "sandbox", "setup")
_UPDATED = ("message", "session", "sandbox")
_SESSIONS = tuple(f"shared-{number}" for number in range(3))


class Plan:
    """An endless row of attempts on records of the writer's own, of every kind, in sessions that all share.

    Args:
        writer: Its number.
        seed: The run's.
        size: The longest text in a record, in characters.
        owner: What the ids of its records begin with.
        sessions: The sessions that its messages and parts go to.
        roams: How often one goes to another of them.
    """

    def __init__(
        self,
        writer: int,
        seed: int,
        *,
        size: int = 500,
        owner: str = "",
        sessions: Sequence[str] = _SESSIONS,
        roams: float = 0.2,
    ) -> None:
        self.random = Random(seed * 1000 + writer)
        self._name = f"{owner}w{writer}"
        self._size = size
        self._sessions = sessions
        self._roams = roams
        self._records = 0
        self._current: dict[str, History] = {}
        self._homes: dict[History, str] = {}

    def next(self) -> tuple[History, Attempt]:
        """Return the next attempt, and the history that it is part of."""
        entity = self.random.choice(_ENTITIES)
        history = self._current.get(entity)
        if history is None or self.random.random() < 1 / 8:
            history = self._current[entity] = self._new(entity)
        updates = entity in _UPDATED and history.attempts and self.random.random() < 0.7
        session = self._session(history, needed=not updates) if entity in LISTED else None
        text = "x" * self.random.randrange(self._size)
        return history, history.attempt("update" if updates else "set", session, text)

    def retire(self, history: History) -> None:
        """Write this record no more."""
        self._current.pop(history.entity, None)

    def _new(self, entity: str) -> History:
        self._records += 1
        return History(entity, f"{self._name}-{entity}-{self._records}")

    def _session(self, history: History, *, needed: bool) -> str | None:
        """Return where the record goes: mostly where it was."""
        home = self._homes.get(history)
        if home is None or self.random.random() < self._roams:
            home = self._homes[history] = self.random.choice(self._sessions)
            return home
        return home if needed else None
