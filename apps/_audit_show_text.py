"""How `storescope audit show` prints a record for people: one line, in columns.

Whatever stands in the log is escaped and, where it could be taken for something else, quoted: a tenant may be
called anything, also what makes a terminal delete the line before.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from storescope.middleware._audit._record import FIELDS
from storescope.middleware._region._reader import one_line

if TYPE_CHECKING:
    from storescope.middleware._audit._reading._cursor import Entry

_PLAIN = re.compile(r"""[^\s"'\\]+""")
_HASH = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CALLS = ("intent", "outcome")
_SHORT = 8  # hex digits of a hash, as `--session` takes them
_LONGEST = 300  # characters of a value; tenants and ids have at most 256 bytes
_WIDEST = 32  # a column grows with what it holds, to here; longer values are not cut, they push
_STYLES: dict[str, dict[str, Any]] = {
    "ok": {"fg": "green"},
    "not_found": {"fg": "yellow"},
    "cancelled": {"fg": "yellow"},
    "unknown": {"fg": "magenta"},
    "denied": {"fg": "red", "bold": True},
    "error": {"fg": "red", "bold": True},
    "intent": {"dim": True},
    "gap": {"fg": "yellow", "bold": True},
    "tamper": {"fg": "red", "bold": True, "reverse": True},
    "deny": {"fg": "red", "bold": True},
    "would_deny": {"fg": "yellow"},
    "exception": {"fg": "yellow"},
}
_OWN_STYLE = {"fg": "cyan"}  # of records that speak of the log itself


class _Column(NamedTuple):
    title: str
    width: int


_COLUMNS = (
    _Column("TIME", 24),
    _Column("WHAT", 9),
    _Column("OPERATION", 21),
    _Column("TENANT", 8),
    _Column("ACTOR", 8),
    _Column("RECORD", _SHORT),
    _Column("SESSION", _SHORT),
    _Column("TOOK", 6),
    _Column("DECISION", 8),
    _Column("TRACE", 5),
    _Column("WHY", 0),
)


class TextLines:
    """Makes lines whose columns stay aligned; they grow as wider values come."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self._widths = [column.width for column in _COLUMNS]

    def titles(self) -> str:
        """Return the columns' titles."""
        return self._aligned([column.title for column in _COLUMNS], {})

    def line(self, entry: Entry) -> str:
        """Return the line of a record."""
        record = entry.record
        call = record["phase"] in _CALLS
        what = record["outcome"] if record["phase"] == "outcome" else record["phase"]
        cells = [_time(entry.ts), shown(what)]
        if not call:
            return self._aligned([*cells, _own(record)], {1: _style(what) or _OWN_STYLE})
        cells += [
            shown(record["operation"]),
            shown(record["tenant"]),
            shown(record["actor"]),
            _id(record["record"]),
            _id(record["session"]),
            _duration(record["duration_us"]),
            shown(record["decision"]),
            shown(record["trace_id"]),
            _why(record),
        ]
        return self._aligned(cells, {1: _style(what), 8: _style(record["decision"])})

    def _aligned(self, cells: list[str], styles: dict[int, dict[str, Any]]) -> str:
        parts: list[str] = []
        for position, cell in enumerate(cells):
            if len(cells) == len(_COLUMNS) and len(cell) <= _WIDEST:
                self._widths[position] = max(self._widths[position], len(cell))
            padded = cell.ljust(self._widths[position])
            parts.append(
                click.style(padded, **styles[position]) if self._colours and styles.get(position) else padded
            )
        return " ".join(parts).rstrip()


def shown(value: object) -> str:
    """Return a value of the log so that it can be nothing but itself, whatever it is.

    Control characters, those that turn the direction of text, and halves of surrogate pairs are escaped. What
    could be taken for several columns, an escape or nothing is quoted. What is absurdly long is cut, and says so.
    """
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    more = len(text) - _LONGEST
    text = text[:_LONGEST]
    if not isinstance(value, str) or (_PLAIN.fullmatch(text) and text != "-" and text.isprintable()):
        shown = one_line(text)
    else:
        shown = '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    return shown if more <= 0 else f"{shown}...({more} more)"


def _style(value: object) -> dict[str, Any]:
    return _STYLES.get(value, {}) if isinstance(value, str) else {}


def _time(ts: str) -> str:
    return f"{ts[:23]}Z" if ts else "-"  # to the millisecond


def _id(value: object) -> str:
    if isinstance(value, str) and _HASH.fullmatch(value):
        return value[:_SHORT]
    return shown(value)


def _duration(us: object) -> str:
    if type(us) is not int:
        return shown(us)
    for limit, unit, name in ((1_000, 1, "us"), (1_000_000, 1_000, "ms")):
        if 0 <= us < limit:
            return f"{us / unit:.3g}{name}"
    return f"{us // 1_000_000}s" if 0 <= us < 10**15 else shown(us)


def _why(record: dict[str, Any]) -> str:
    """Return why a call ended as it did."""
    code = None if record["decision"] == "allow" else record["code"]
    return " ".join(
        shown(value) for value in (record["error_type"], code, record["exception"]) if value is not None
    )


def _own(record: dict[str, Any]) -> str:
    """Return what a record says of the log itself; of lists only how many they are."""
    own = {name: value for name, value in record.items() if name not in FIELDS and name not in {"mac", "sealed"}}
    return " ".join(f"{shown(name)}={_counted(value)}" for name, value in own.items() if value is not None)


def _counted(value: object) -> str:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value[:_SHORT]
    return shown(len(value) if isinstance(value, list) else value)
