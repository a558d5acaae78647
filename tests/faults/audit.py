"""Holds a store to a ledger: nothing that was acknowledged is missing, nothing is torn, every list is whole."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.faults.ledger import LISTED, Attempt, Fate, History, Ledger, fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storescope import Handler

Record: TypeAlias = dict[str, Any]
Stored: TypeAlias = dict[tuple[str, str], Record]
Lists: TypeAlias = dict[str, list[Record]]

_READINGS = 20
"""As many as there can be writers with a cancelled call, and some."""


async def audit(handlers: Mapping[str, Handler], ledger: Ledger) -> None:
    """Raise `AssertionError` with all that is wrong. No call may be under way; what was cancelled may yet land."""
    stored, lists = await _settled(handlers, ledger)
    problems = [
        problem
        for (entity, id_), history in ledger.histories.items()
        for problem in check_record(history, stored.get((entity, id_)))
    ]
    for entity in LISTED:
        problems += _check_lists(entity, lists[entity], stored)
        problems += _check_order(lists[entity], ledger, entity)
    assert not problems, "\n".join(problems[:20])


async def _settled(handlers: Mapping[str, Handler], ledger: Ledger) -> tuple[Stored, dict[str, Lists]]:
    """Read all of it until it reads the same twice: a cancelled write may land between a `get` and its list."""
    seen = None
    for _ in range(_READINGS):
        before, seen = seen, (await _read_records(handlers, ledger), await _read_lists(handlers, ledger))
        if seen == before:
            return seen
    raise AssertionError("the store changes on and on, and nobody writes")


async def _read_records(handlers: Mapping[str, Handler], ledger: Ledger) -> Stored:
    records = {(entity, id_): await handlers[f"{entity}.get"](id=id_) for entity, id_ in ledger.histories}
    return {key: record for key, record in records.items() if record is not None}


async def _read_lists(handlers: Mapping[str, Handler], ledger: Ledger) -> dict[str, Lists]:
    return {
        entity: {
            session: await handlers[f"{entity}.listBySession"](session_id=session)
            for session in sorted(ledger.sessions(entity))
        }
        for entity in LISTED
    }


def check_record(history: History, record: Record | None) -> list[str]:
    """Return what is wrong with a stored record; None stands for none."""
    name = f"{history.entity} {history.id}"
    if record is None:
        return [f"{name}: lost, and a write of it was acknowledged"] if history.must_exist else []
    applied = _applied(history, record)
    if record != fold(applied):
        return [f"{name}: torn, no row of its attempts leaves this record: {_outline(record)}"]
    since = applied[0].number
    return [
        f"{name}: attempt {attempt.number} ({attempt.verb}) was acknowledged and is lost"
        for attempt in history.attempts[since:]
        if attempt.fate is Fate.ACKNOWLEDGED and attempt not in applied
    ] + [
        f"{name}: attempt {attempt.number} ({attempt.verb}) was refused and is there all the same"
        for attempt in applied
        if attempt.fate is Fate.REFUSED
    ]


def _applied(history: History, record: Record) -> list[Attempt]:
    """Return the `set` that the record comes from and the updates since that are in it."""
    first = record.get("set", 0)
    return [
        attempt
        for attempt in history.attempts
        if attempt.number == first or (attempt.number > first > 0 and f"u{attempt.number}" in record)
    ]


def _outline(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "text"}


def _check_lists(entity: str, lists: Lists, stored: Stored) -> list[str]:
    """A record that `get` finds is listed once, in the session that it names; one that is listed, `get` finds."""
    problems: list[str] = []
    places: dict[str, list[str]] = defaultdict(list)
    for session, records in lists.items():
        for record in records:
            id_ = record.get("id", "without an id")
            places[id_].append(session)
            if stored.get((entity, id_)) != record:
                problems.append(f"{entity} {id_}: {session} lists what `get` does not return")
    for (kind, id_), record in stored.items():
        if kind == entity and places[id_] != [record["sessionId"]]:
            problems.append(f"{entity} {id_}: is in {record['sessionId']}, and listed in {places[id_]}")
    return problems


def _check_order(lists: Lists, ledger: Ledger, entity: str) -> list[str]:
    """A record whose arrival was acknowledged before another's began stands before it."""
    problems: list[str] = []
    for session, records in lists.items():
        earliest: tuple[float, str] = (float("inf"), "")  # of all that come later: when one was acknowledged
        for record in reversed(records):
            history = ledger.histories.get((entity, record.get("id", "")))
            arrival = history.arrival() if history else None
            if arrival is None or arrival.ended is None:
                continue
            if earliest[0] < arrival.begun:
                problems.append(f"{session}: {entity} {record['id']} stands before {earliest[1]}, and came later")
            earliest = min(earliest, (arrival.ended, record["id"]))
    return problems
