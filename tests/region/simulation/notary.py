"""Knows which labels are right, by having seen every one that a guard wrote. It computes no MAC."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.region.simulation.attempts import FIELD, IN_SESSION

if TYPE_CHECKING:
    from tests.region.simulation.attempts import Attempt


class Notary:
    """Holds each label with a MAC to what guards wrote: one that was never written for a record is forged."""

    def __init__(self) -> None:
        self._signed: dict[tuple[str, str, str], set[bytes]] = {}

    def is_right(
        self, at: Attempt, entity: str, id_: str | None, record: Any, *, listed: str | None = None
    ) -> bool:
        """Return whether a record's label is that of the caller's tenant, the process's region and its session.

        Args:
            at: The caller's call.
            entity: What kind of record it is.
            id_: Its id; None for a row of a list, which need not say.
            record: The record.
            listed: The session in whose list it was found.
        """
        label = record.get(FIELD) if isinstance(record, dict) else None
        if not isinstance(label, dict) or not at.tenant or at.process.region is None:
            return False
        session = session_of(entity, id_, record)
        if (label.get("tenant"), label.get("region"), label.get("session")) != (
            at.tenant,
            at.process.region,
            session,
        ):
            return False
        if listed is not None and session != listed:
            return False
        if not at.process.keys:
            return True
        named = id_ if id_ is not None else record.get("id", label.get("id"))
        return bool(self._signed.get((entity, str(named), _text(label)), set()) & set(at.process.keys))

    def is_due(self, at: Attempt, record: dict[str, Any]) -> bool:
        """Return whether the label that a guard is about to write is the one it should, and remember it."""
        entity, id_ = at.operation.entity, at.params["id"]
        label = dict(record.get(FIELD, {}))
        session = session_of(entity, id_, record)
        due = {"region": at.process.region, "tenant": at.tenant}
        due |= {"session": session} if session is not None else {}
        if at.process.keys:
            due |= {"id": id_, "mac": label.get("mac")}
            self._signed.setdefault((entity, id_, _text(label)), set()).add(at.process.keys[0])
            return label == due and isinstance(label["mac"], str)
        return label == due


def session_of(entity: str, id_: str | None, record: dict[str, Any]) -> Any:
    """Return the session that a record belongs to; None if it belongs to none."""
    if entity in IN_SESSION:
        return record.get("sessionId")
    return id_ if entity == "session" else None


def _text(label: dict[str, Any]) -> str:
    return json.dumps(label, sort_keys=True)
