"""A structlog processor chain in front of the log: it enriches or redacts records before they are chained.

What the format relies on stays out of its reach, and a record that the chain could not make is not written at all:
it may be the very one that had to be redacted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from structlog import DropEvent

from storescope.errors import AuditError
from storescope.middleware._audit._record import CALL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Processor: TypeAlias = "Callable[[Any, str, Any], Any]"
"""As structlog has them: called with a logger, the method's name and the event dict, returns the event dict."""

KEPT = ("phase", "call_id", "seq", "stream", "ts", "mac")
"""What a chain can neither change nor add."""
_NEVER_ADDED = frozenset({*KEPT, "event", "intent"})
"""`event` is structlog's own word, and `intent` what a recovery adds to the record of a call that was cut off."""

_INTEGERS = frozenset({"attempt", "duration_us"})
_DEEPEST = 90  # a verifier takes values inside of 99 objects and lists
_LOGGER = logging.getLogger("storescope.audit")  # for processors that ask a logger for its name or level
_METHOD = "info"


class Processors:
    """A chain, as a step from a record's text to its text."""

    def __init__(self, chain: Iterable[Processor]) -> None:
        """Take the chain as `structlog.configure(processors=...)` does, but without a renderer.

        Raises:
            AuditError: If something in it cannot be called.
        """
        self._chain = tuple(chain)
        for processor in self._chain:
            if not callable(processor):
                raise AuditError(f"processors: a {type(processor).__name__} cannot be called")

    def text(self, phase: str, text: str) -> str:
        """Run the chain on one record.

        The event dict holds the record's fields, null as None, and `event`, which is `storescope.audit`. A field
        that the chain takes away becomes null. What it adds goes last. What it says of `phase`, `call_id`, `seq`,
        `stream`, `ts`, `mac`, `event` and `intent` is ignored.

        Args:
            phase: `intent` or `outcome`.
            text: The record's JSON from `phase` on, without braces.

        Returns:
            Its JSON again: the fields in their order, those of its phase, then what was added.

        Raises:
            AuditError: If a processor raised or dropped the record, or what came out is not a record: not a dict,
                not JSON, or a field of another type than the format's.
        """
        record: dict[str, Any] = json.loads(f"{{{text}}}")
        try:
            return _written(record, self._run({"event": "storescope.audit", **record}))
        except DropEvent:
            why = "dropped the record"
        except _NoRecordError as error:
            why = str(error)
        except Exception as error:  # its text may hold what was to be redacted
            why = f"raised {type(error).__qualname__}"
        raise AuditError(f"a processor of the audit log {why} ({phase})")

    def _run(self, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for processor in self._chain:
            event = processor(_LOGGER, _METHOD, event)
            if not isinstance(event, MutableMapping):
                raise _NoRecordError("returned something that is not a dict")
        return event


class _NoRecordError(Exception):
    """What came out of the chain cannot be a record; the text says why, in our words."""


def _written(record: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """Return the text of what the chain made of a record."""
    made = {name: value if name in KEPT else said.get(name) for name, value in record.items()}
    for name in CALL_FIELDS:
        _check_field(name, made[name])
    for name, value in said.items():
        if name not in made and name not in _NEVER_ADDED:
            _check_names({name: value}, _DEEPEST)
            made[name] = value
    try:
        text = json.dumps(made, separators=(",", ":"), allow_nan=False)[1:-1]
    except (TypeError, ValueError):
        raise _NoRecordError("added something that is not JSON") from None
    return text


def _check_field(name: str, value: Any) -> None:
    wanted: type = int if name in _INTEGERS else str
    if value is not None and type(value) is not wanted:
        raise _NoRecordError(f"made {name} something else than {'a number' if wanted is int else 'text'} or null")


def _check_names(value: Any, deepest: int) -> None:
    """Refuse names that JSON would turn into others: a line with the same name twice would be no record."""
    if deepest == 0:
        raise _NoRecordError("added something that is nested too deeply")
    if isinstance(value, dict):
        if not all(isinstance(name, str) and _is_text(name) for name in value):
            raise _NoRecordError("added a name that is not text")
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            _check_names(each, deepest - 1)


def _is_text(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)
