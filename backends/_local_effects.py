"""Writes that are made once, however often their step is run: the call's id and result commit with the data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from storescope.backends._effects import PRUNED_AT_ONCE, check_days
from storescope.backends._sqlite import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from storescope.backends._effects import Effect

Job: TypeAlias = "Callable[[sqlite3.Connection], bytes | None]"
"""What a write does in its transaction; returns the record that an update returns, encoded."""

_FIND = "SELECT result FROM effects WHERE tenant = ? AND call_id = ? AND entity = ? AND verb = ? AND id = ?"
_KEEP = "INSERT INTO effects(tenant, call_id, entity, verb, id, at, result) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM effects WHERE tenant = ? AND entity = ? AND id = ?"
_PRUNE = """
DELETE FROM effects WHERE (tenant, call_id, entity, verb, id) IN (
    SELECT tenant, call_id, entity, verb, id FROM effects WHERE at < ? ORDER BY at LIMIT ?)
"""
_DAY = 86_400


class LocalEffects:
    """What is known of the writes that came with a call id.

    Attributes:
        days: For how long; 0 for not at all.
    """

    def __init__(self, days: float) -> None:
        self.days = check_days(days)

    def once(self, db: sqlite3.Connection, effect: Effect, job: Job) -> bytes | None:
        """Run the job and keep what it returns; or, if that is kept already, return it.

        An update that found nothing to update did nothing, and is not kept.

        Args:
            db: The writer's connection.
            effect: Which write it is.
            job: The write.
        """
        now = time.time()
        with transaction(db):
            known: list[tuple[bytes | None]] = db.execute(_FIND, effect).fetchall()
            if known:
                return known[0][0]
            result = job(db)
            if result is not None or effect.verb == "set":
                db.execute(_PRUNE, (now - self.days * _DAY, PRUNED_AT_ONCE))
                db.execute(_KEEP, (*effect, now, result))
            return result


def in_transaction(db: sqlite3.Connection, job: Job) -> bytes | None:
    """Run a job that is no step's."""
    with transaction(db):
        return job(db)


def forget_effects(db: sqlite3.Connection, key: tuple[str, str, str]) -> None:
    """Delete what writes of a record returned. The transaction is the caller's."""
    db.execute(_FORGET, key)
