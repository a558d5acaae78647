"""Residency labels: a reserved field in the record itself that says whose it is and where it belongs.

A label holds `region`, `tenant` and, for sessions, messages and parts, `session`. With keys it also holds the
record's `id` and a MAC over all of these and the entity: a row of a list is then verified by itself, and a label
cannot be taken from one record and put on another.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from storescope.contract import IN_SESSION
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELD = "$residency"
"""The reserved field. Callers may not use it, and never see it."""

SHORTEST_KEY = 16  # bytes; HMAC with a shorter key is guessable (RFC 2104, section 3, asks for the hash's length)
_MAC_DIGITS = 32  # 128 bits


class Labels:
    """Makes and checks labels, with MACs if it was given keys."""

    def __init__(self, keys: Sequence[bytes] = (), *, name_ids: bool = False) -> None:
        """Make it.

        Args:
            keys: Keys for MACs. The first one signs; all of them verify, so that a key can be replaced.
            name_ids: Whether labels hold the record's id also without a MAC: a row of a list need not hold it, and
                who moves a session must know it.
        """
        self._macs = [Hmac(key) for key in keys]
        self._name_ids = name_ids or bool(keys)

    def make(self, entity: str, id: str, record: dict[str, Any], *, tenant: str, region: str) -> dict[str, str]:
        """Return the label of a record that names its session, if it belongs to one."""
        label = {"region": region, "tenant": tenant}
        session = _session_of(entity, id, record)
        if session is not None:
            label["session"] = session
        if self._name_ids:
            label["id"] = id
        if self._macs:
            label["mac"] = _mac(self._macs[0], entity, label)
        return label

    def fault(
        self, entity: str, id: str | None, record: Any, *, tenant: str | None, region: str | None
    ) -> str | None:
        """Return the code of what is wrong with a record's label; None if nothing is.

        Args:
            entity: What kind of record it is.
            id: Its id, or None for a row of a list, which need not hold it.
            record: The record.
            tenant: Whose it must be.
            region: Where it must belong.
        """
        label = record.get(FIELD) if isinstance(record, dict) else None
        if not isinstance(label, dict):
            return "label_missing" if label is None else "label_malformed"
        if not tenant or label.get("tenant") != tenant:
            return "label_tenant_mismatch"
        if region is None or label.get("region") != region:
            return "label_region_mismatch"
        if label.get("session") != _session_of(entity, id, record):
            return "label_session_mismatch"
        if self._macs and not self._is_genuine(entity, id or record.get("id"), label):
            return "label_forged"
        return None

    def _is_genuine(self, entity: str, id_: Any, label: dict[str, Any]) -> bool:
        named, given, session = label.get("id"), label.get("mac"), label.get("session", "")
        if not (isinstance(named, str) and isinstance(given, str) and isinstance(session, str)):
            return False
        if id_ is not None and id_ != named:
            return False
        return any(compare_digest(_mac(mac, entity, label), given) for mac in self._macs)


def _session_of(entity: str, id_: Any, record: dict[str, Any]) -> Any:
    """Return the session that a record belongs to; None if it belongs to none."""
    if entity in IN_SESSION:
        return record.get("sessionId")
    return id_ if entity == "session" else None


def _mac(mac: Hmac, entity: str, label: dict[str, Any]) -> str:
    """Return the MAC of a label. Each part stands behind its length, so that no two labels are the same text."""
    parts = (entity, label["id"], label.get("session", ""), label["tenant"], label["region"])
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return mac.digest(text.encode("utf-8", "surrogatepass")).hex()[:_MAC_DIGITS]
