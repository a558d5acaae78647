"""What must hold of what agents read: judged from what they wrote, by nobody's code but this."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from tests.region.moves.machine import SETTLE

Key = tuple[str, str]


class ViolationError(AssertionError):
    """A promise was broken."""


@dataclass(slots=True, eq=False)
class Write:
    """One write: of a whole record, or of one field of it.

    Attributes:
        number: Its own: `n` of the record that was set, or the field `u{number}` of the one that was updated.
        tenant: For whom.
        session: The session that it names, if it names one.
        begun: When the call began.
        is_merge: Whether it is an update.
        ended: When the call ended.
        is_acked: Whether it returned.
    """

    number: int
    tenant: str
    session: str | None
    begun: float
    is_merge: bool = False
    ended: float = inf
    is_acked: bool = False

    @property
    def applied_by(self) -> float:
        """From when on it is sure that it will not be applied any more."""
        return self.ended + (0 if self.is_acked else SETTLE)


@dataclass(slots=True)
class Oracle:
    """What agents wrote and read."""

    writes: dict[Key, list[Write]] = field(default_factory=dict)

    def wrote(self, key: Key, write: Write) -> None:
        """Note that a write begins."""
        self.writes.setdefault(key, []).append(write)

    def acked(self, key: Key, before: float) -> list[Write]:
        """Return the writes that had returned by then."""
        return [write for write in self.writes.get(key, []) if write.is_acked and write.ended < before]

    def missed(self, key: Key, begun: float) -> None:
        """Judge that a read or an update found no record."""
        acked = self.acked(key, begun)
        demand(not acked, f"{key} is gone, which {acked[:1]} had written")

    def read(self, key: Key, tenant: str, record: dict[str, Any], begun: float, ended: float) -> None:
        """Judge a record that was returned."""
        demand("rogue" not in record, f"a rogue record was returned as {key}")
        demand(record.get("by") == tenant, f"{tenant} was given {key} of {record.get('by')}")
        demand("$residency" not in record, "a label was returned")
        known = {write.number: write for write in self.writes[key]}
        base = known.get(record["n"])
        demand(base is not None and base.begun <= ended, f"{key} holds what nobody wrote")
        assert base is not None
        acked = [write for write in self.acked(key, begun) if write.begun > base.applied_by]
        newer = [write for write in acked if not write.is_merge]
        demand(not newer, f"{key} is {base}, although {newer[:1]} was acknowledged")
        fields = {int(name[1:]) for name in record if name.startswith("u")}
        lost = [write for write in acked if write.is_merge and write.number not in fields]
        demand(not lost, f"{key} lost the field that {lost[:1]} had written")
        for number in fields:
            merge = known.get(number)
            fits = merge is not None and merge.begun <= ended and merge.applied_by >= base.begun
            demand(fits, f"{key} holds the field of {merge}, which was replaced by {base}")
        if "sessionId" in record:
            self._check_session(key, record["sessionId"], begun, ended)

    def _check_session(self, key: Key, session: str, begun: float, ended: float) -> None:
        """Judge the session that a record names: one that was written, and not replaced since."""
        writes = self.writes[key]
        others = [write for write in self.acked(key, begun) if write.session not in {None, session}]
        fits = any(
            write.session == session
            and write.begun <= ended
            and not any(other.begun > write.applied_by for other in others)
            for write in writes
        )
        demand(fits, f"{key} names the session {session}, which it is not in any more")

    def listed(
        self, entity: str, session: str, tenant: str, rows: list[dict[str, Any]], begun: float, ended: float
    ) -> None:
        """Judge what a list returned."""
        ids = [row.get("me") for row in rows]
        demand(len(ids) == len(set(ids)), f"{session} lists a record twice")
        for row in rows:
            demand(row["sessionId"] == session, f"{session} lists another session's record")
            demand("rogue" not in row, f"{session} lists a rogue record")
            self.read((entity, row["me"]), tenant, row, begun, ended)
        for (kind, id_), writes in self.writes.items():
            if kind == entity and all(write.session in {None, session} for write in writes):
                acked = self.acked((kind, id_), begun)
                demand(not acked or id_ in ids, f"{session} does not list {id_}, which {acked[:1]} had written")


def demand(holds: bool, what: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise ViolationError(what)
