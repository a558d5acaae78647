"""Audit records as events of the Open Cybersecurity Schema Framework, class Datastore Activity (6005).

What the class has a place for goes there. All else stands under `unmapped` as the record has it, its MAC too, so
that an event leads back to the line that was verified. https://schema.ocsf.io/1.8.0/classes/datastore_activity
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from storescope.middleware._audit._reading._cursor import Entry

OCSF_VERSION = "1.8.0"
_CLASS_UID = 6005
_OTHER = 99
_EPOCH = datetime.fromtimestamp(0, UTC)


class _Choice(NamedTuple):
    """A value of an enumeration, and its caption."""

    id: int
    caption: str


_READ, _UPDATE, _WRITE = _Choice(1, "Read"), _Choice(2, "Update"), _Choice(5, "Write")
_ACTIVITIES = {
    "get": _READ,
    "update": _UPDATE,
    "set": _WRITE,  # inserts or replaces: neither Create nor Update
    "listBySession": _Choice(4, "Query"),  # whole records, filtered; List would be an overview of what there is
}
_UNKNOWN, _SUCCESS, _FAILURE = _Choice(0, "Unknown"), _Choice(1, "Success"), _Choice(2, "Failure")
_STATUSES = {
    "ok": _SUCCESS,
    "not_found": _FAILURE,
    "denied": _FAILURE,
    "error": _FAILURE,
    "cancelled": _Choice(_OTHER, "cancelled"),
    "unknown": _UNKNOWN,
}
_INTENDED = _Choice(_OTHER, "intent")  # so that a call is not counted twice
_INFO, _LOW, _MEDIUM = _Choice(1, "Informational"), _Choice(2, "Low"), _Choice(3, "Medium")
_HIGH, _CRITICAL = _Choice(4, "High"), _Choice(5, "Critical")
_SEVERITIES = {
    "not_found": _LOW,
    "denied": _MEDIUM,
    "error": _LOW,
    "unknown": _MEDIUM,
    "gap": _HIGH,
    "recovery": _MEDIUM,
    "tamper": _CRITICAL,
    "override": _HIGH,
}
_ALLOWED, _DENIED, _OBSERVED = _Choice(1, "Allowed"), _Choice(2, "Denied"), _Choice(3, "Observed")
_DECISIONS = {  # of the profile security_control: what the guard did, and what came of it
    "allow": (_ALLOWED, _Choice(1, "Allowed")),
    "deny": (_DENIED, _Choice(2, "Blocked")),
    "would_deny": (_OBSERVED, _Choice(15, "Detected")),
    "exception": (_ALLOWED, _Choice(8, "Approved")),
}
_DATABASES = {
    **dict.fromkeys(("postgresql", "sqlite"), _Choice(1, "Relational")),
    **dict.fromkeys(("redis", "aws.dynamodb"), _Choice(6, "NoSQL")),
}
_CALLS = ("intent", "outcome")
_MAPPED = frozenset(
    ("seq", "stream", "ts", "phase", "call_id", "operation", "actor", "tenant", "backend", "outcome", "error_type")
)


def to_ocsf(entry: Entry) -> dict[str, Any]:
    """Return a record as an event of the class Datastore Activity, OCSF 1.8.0.

    Args:
        entry: The record.

    Returns:
        The event. Its `time` is in milliseconds since 1970, its `duration` in milliseconds.
    """
    record = _Record(entry.record)
    activity = _activity(record)
    event = {
        **_named("activity", activity, "activity_name"),
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": _CLASS_UID,
        "class_name": "Datastore Activity",
        "type_uid": _CLASS_UID * 100 + activity.id,
        "type_name": f"Datastore Activity: {activity.caption if activity.id != _OTHER else 'Other'}",
        "time": _milliseconds(entry.ts),
        **_named("severity", _severity(record), "severity"),
        **_status(record),
        "message": _message(record),
        "metadata": _metadata(record, entry.ts),
        "actor": _actor(record),
        "src_endpoint": {"name": "agent" if record.is_call else "storescope", "uid": record.text("stream") or "-"},
        **_datastore(record),
        **_decision(record),
    }
    unmapped = {name: value for name, value in entry.record.items() if _is_left(name, value, record)}
    return {**event, "unmapped": unmapped}


class _Record:
    """Reads fields of a record that may hold anything: who has the writer's key may write what they like."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.is_call = fields["phase"] in _CALLS

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None


def _named(name: str, choice: _Choice, caption: str) -> dict[str, Any]:
    return {f"{name}_id": choice.id, caption: choice.caption}


def _activity(record: _Record) -> _Choice:
    operation = record.text("operation")
    if not record.is_call or operation is None:
        return _Choice(_OTHER, record.text("phase") or "unknown")
    return _ACTIVITIES.get(operation.partition(".")[2]) or _Choice(_OTHER, operation)


def _severity(record: _Record) -> _Choice:
    if record.text("decision") == "would_deny":
        return _LOW
    return _SEVERITIES.get((record.text("outcome") if record.is_call else record.text("phase")) or "", _INFO)


def _status(record: _Record) -> dict[str, Any]:
    outcome = record.text("outcome")
    if record.text("phase") == "intent":
        return _named("status", _INTENDED, "status")
    if record.text("phase") != "outcome" or outcome is None:
        return {}
    status = _named("status", _STATUSES.get(outcome, _Choice(_OTHER, outcome)), "status")
    status["status_detail"] = outcome
    if error_type := record.text("error_type"):
        status["status_code"] = error_type
    duration = record.fields["duration_us"]
    if type(duration) is int:
        status["duration"] = duration // 1000
    return status


def _message(record: _Record) -> str:
    parts = (record.text("operation"), record.text("outcome") or record.text("phase"))
    return " ".join(part for part in parts if part)


def _metadata(record: _Record, ts: str) -> dict[str, Any]:
    product = {"name": "storescope", "vendor_name": "storescope"}
    if record.text("phase") == "header" and (version := record.text("version")):
        product["version"] = version
    optional = {
        "tenant_uid": record.text("tenant"),
        "correlation_uid": record.text("call_id"),
        "event_code": record.text("phase"),
        "original_time": record.text("ts") or ts or None,
    }
    seq = record.fields["seq"]
    return {
        "version": OCSF_VERSION,
        "product": product,
        "uid": f"{record.text('stream') or '-'}:{seq}",
        "sequence": seq,
        "log_name": "audit",
        "log_version": "storescope-audit/1",
        **({"profiles": ["security_control"]} if _decision(record) else {}),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _actor(record: _Record) -> dict[str, Any]:
    actor: dict[str, Any] = {"app_name": "agent" if record.is_call else "storescope"}
    name = record.text("actor") or (record.text("by") if record.text("phase") == "override" else None)
    return actor if name is None else {**actor, "user": {"name": name}}


def _datastore(record: _Record) -> dict[str, Any]:
    """Return what was touched: the backend and the entity; for what speaks of the log, the log."""
    kind = {"type_id": 1, "type": "Database"}
    if not record.is_call:
        return {**kind, "database": {"name": "audit", "type_id": _OTHER, "type": "audit log"}}
    backend, entity = record.text("backend") or "unknown", (record.text("operation") or "").partition(".")[0]
    database = {"name": backend, **_named("type", _DATABASES.get(backend, _UNKNOWN), "type")}
    return {**kind, "database": database, **({"table": {"name": entity}} if entity else {})}


def _decision(record: _Record) -> dict[str, Any]:
    found = _DECISIONS.get(record.text("decision") or "")
    if found is None:
        return {}
    action, disposition = found
    decided = {**_named("action", action, "action"), **_named("disposition", disposition, "disposition")}
    if policy := record.text("policy"):
        decided["policy"] = {"name": "residency", "uid": policy}
    return decided


def _milliseconds(ts: str) -> int:
    try:
        return (datetime.fromisoformat(ts) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:  # no time at all, or none of the calendar
        return 0


def _is_left(name: str, value: object, record: _Record) -> bool:
    """Return whether a field has no place in the class, or not in its own type."""
    if name == "seq" or value is None:
        return False
    return name not in _MAPPED or record.text(name) is None
