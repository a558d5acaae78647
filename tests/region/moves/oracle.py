"""What must hold: judged from what the agents saw and from what lies in the stores, by nobody's code but this."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from tests.region.moves.machine import SETTLE
from tests.region.moves.plan import POLICIES

Key = tuple[str, str]


class ViolationError(AssertionError):
    """A promise was broken."""


@dataclass(slots=True, eq=False)
class Write:
    """One write: of a whole record, or of one field of a record that is only ever updated."""

    number: int
    tenant: str
    session: str | None
    begun: float
    is_merge: bool = False
    ended: float = inf
    is_acked: bool = False


@dataclass(slots=True)
class Oracle:
    """What agents wrote and read."""

    writes: dict[Key, list[Write]] = field(default_factory=dict)

    def wrote(self, key: Key, write: Write) -> None:
        """Note that a write begins."""
        self.writes.setdefault(key, []).append(write)

    def read(self, key: Key, tenant: str, record: dict[str, Any] | None, begun: float, ended: float) -> None:
        """Judge what a read returned."""
        acked = [write for write in self.writes.get(key, []) if write.is_acked and write.ended < begun]
        if record is None:
            demand(not acked, f"{key} is gone, which {acked[:1]} had written")
            return
        self._is_known(key, tenant, record)
        for write in acked:
            if write.is_merge:
                demand(f"u{write.number}" in record, f"{key} lost the field that {write} had written")
        found = next((write for write in self.writes[key] if write.number == record["n"]), None)
        demand(found is not None and found.begun <= ended, f"{key} holds what nobody wrote yet")
        assert found is not None
        last = found.ended + (0 if found.is_acked else SETTLE)
        newer = [write for write in acked if not write.is_merge and write.begun > last]
        demand(not newer, f"{key} is {found}, although {newer[:1]} was acknowledged")

    def listed(self, entity: str, session: str, tenant: str, rows: list[dict[str, Any]], begun: float) -> None:
        """Judge what a list returned."""
        ids = [row["me"] for row in rows]
        demand(len(ids) == len(set(ids)), f"{session} lists a record twice")
        for row in rows:
            demand(row["sessionId"] == session, f"{session} lists another session's record")
            self._is_known((entity, row["me"]), tenant, row)
        for (kind, id_), writes in self.writes.items():
            if kind == entity and all(write.session == session and write.tenant == tenant for write in writes):
                acked = [write for write in writes if write.is_acked and write.ended < begun]
                demand(not acked or id_ in ids, f"{session} does not list {id_}, which {acked[:1]} had written")

    def missed(self, key: Key, begun: float) -> None:
        """Judge that an update found no record."""
        acked = [write for write in self.writes.get(key, []) if write.is_acked and write.ended < begun]
        demand(not acked, f"an update missed {key}, which {acked[:1]} had written")

    def _is_known(self, key: Key, tenant: str, record: dict[str, Any]) -> None:
        demand("rogue" not in record, f"a rogue record was returned as {key}")
        demand(record.get("by") == tenant, f"{tenant} was given {key} of {record.get('by')}")
        demand("$residency" not in record, "a label was returned")


def demand(holds: bool, what: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise ViolationError(what)


def may_lie(policy: int, tenant: str, region: str) -> bool:
    """Return whether a policy lets a tenant's records lie in a region."""
    return region in POLICIES[policy][tenant][0]
