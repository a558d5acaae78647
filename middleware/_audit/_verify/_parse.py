"""What a line says: quickly for the lines that writers write all day, strictly for all others.

The quick way is a regular expression that takes only lines which the strict way takes too. A test compares both.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from storescope.contract import OPERATIONS
from storescope.middleware._audit._head import Head
from storescope.middleware._audit._line import parse_record
from storescope.middleware._audit._record import CALL_FIELDS, FIELDS, MAC_TAIL_BYTES

INTENT, WRITE_OUTCOME = 1, 2
"""What the quick way tells of a line by its last group: an intent, the outcome of a write; None for a read's."""

_MOST_NUMBER = 2**63 - 1
_MAC_LABEL = b',"mac":"'
MAC_TEXT_BYTES = MAC_TAIL_BYTES - len(_MAC_LABEL)  # the hex digits and what closes the object
_TEXT = rb'"[ !#-\[\]-~]*"'  # printable ASCII without escapes
_TEXT_OR_NULL = rb"(?:null|" + _TEXT + rb")"
_COUNT_OR_NULL = rb"(?:null|0|[1-9]\d{0,17})"
_WRITES = "|".join(re.escape(name) for name, operation in OPERATIONS.items() if operation.writes).encode()
_SPECIAL = {
    "phase": rb'"(?:(intent)|outcome)"',
    "operation": rb'(?(1)%b|(?:"(?:%b)"()|%b))' % (_TEXT_OR_NULL, _WRITES, _TEXT_OR_NULL),
    "attempt": _COUNT_OR_NULL,
    "duration_us": _COUNT_OR_NULL,
}
_CALL = b'[0-9TZ:.-]*",' + b",".join(  # from behind `"ts":"` on
    b'"%b":%b' % (name.encode(), _SPECIAL.get(name, _TEXT_OR_NULL)) for name in ("phase", *CALL_FIELDS)
)
_ADDED = rb',"[a-zA-Z0-9_.-]+":(?:null|true|false|-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?|' + _TEXT + rb")"
_NAME = re.compile(rb',("[a-zA-Z0-9_.-]+"):')
_OWN_NAMES = {f'"{name}"'.encode() for name in (*FIELDS, "mac")}

usual = re.compile(_CALL + _MAC_LABEL).fullmatch
"""Takes a call's record, from behind `"ts":"` up to the MAC's digits."""

_usual_with_more = re.compile(_CALL + rb"((?:" + _ADDED + rb")*)" + _MAC_LABEL).fullmatch


class Removal(NamedTuple):
    """A segment that retention took away, as a tombstone says."""

    stream: str
    segment: int
    seq: int
    mac: str
    epoch: int
    closes: str
    sealed_at: str


def kind_with_more(line: bytes, begin: int) -> int | None:
    """Return the kind of a call's record that processors added fields to, 0 for the outcome of a read.

    None means that only the strict way can tell.
    """
    found = _usual_with_more(line, begin, len(line) - MAC_TEXT_BYTES)
    if found is None:
        return None
    names = _NAME.findall(found[3])
    if len(set(names)) < len(names) or not _OWN_NAMES.isdisjoint(names):
        return None
    return INTENT if found[1] is not None else WRITE_OUTCOME if found[2] is not None else 0


def strict(line: bytes) -> dict[str, Any] | None:
    """Return a line's record; None if it is none of the format."""
    try:
        return parse_record(line)
    except ValueError:
        return None


def kind_of(record: dict[str, Any]) -> int:
    """Return the same for a record that was read strictly."""
    if record["phase"] == "intent":
        return INTENT
    operation = record["operation"] if record["phase"] == "outcome" else None
    writes = type(operation) is str and operation in OPERATIONS and OPERATIONS[operation].writes
    return WRITE_OUTCOME if writes else 0


def is_number(value: object) -> bool:
    """Return whether it is the number of a record, a segment or an epoch; a truth value is none."""
    return type(value) is int and 1 <= value <= _MOST_NUMBER


def heads_in(header: dict[str, Any]) -> list[Head] | None:
    """Return what a header announces; None if that is no such list."""
    found = _items(header.get("heads"), ("stream", "seq", "mac"), numbers=("seq",))
    return None if found is None else [Head(*values) for values in found]


def removals_in(tombstone: dict[str, Any]) -> list[Removal] | None:
    """Return what a tombstone says was taken away; None if that is no such list."""
    if type(tombstone.get("retain_days")) not in {int, float}:
        return None
    found = _items(tombstone.get("removed"), Removal._fields, numbers=("segment", "seq", "epoch"))
    return None if found is None else [Removal(*values) for values in found]


def _items(given: object, names: tuple[str, ...], *, numbers: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
    """Return the named values of each object of a list; who holds the public key can write anything there."""
    if type(given) is not list:
        return None
    items: list[tuple[Any, ...]] = []
    for item in given:
        if type(item) is not dict:
            return None
        for name in names:
            value = item.get(name)
            if not (is_number(value) if name in numbers else type(value) is str):
                return None
        items.append(tuple(item[name] for name in names))
    return items
