"""What a process says of what it does, in a file that outlives it: each line is there before its call is made.

The lines of all processes are put in order by the system's monotonic clock, which they share.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import traceback
from typing import TYPE_CHECKING, Any

from tests.faults.ledger import Attempt, Fate, History, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from pathlib import Path

WRONG = "wrong"
"""Begins the line of what a process found that must not be."""


class Logbook:
    """One process's file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, *words: Any) -> None:
        """Write a line."""
        os.write(self._file, json.dumps([time.monotonic_ns(), *words]).encode() + b"\n")


class Pages:
    """A logbook as it is read while it is written."""

    def __init__(self, path: Path) -> None:
        self.lines: list[list[Any]] = []
        self._path = path
        self._read = 0

    def read(self) -> list[list[Any]]:
        """Return all lines until now; one that a kill cut off is none."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole) + bool(whole)
            self.lines += map(json.loads, whole.splitlines())
        return self.lines

    def count(self, *words: str) -> int:
        """Return how many lines begin with one of these words."""
        return sum(line[1] in words for line in self.read())


class SpokenLedger(Ledger):
    """A ledger that says aloud what is noted in it."""

    def __init__(self, book: Logbook) -> None:
        super().__init__()
        self._book = book
        self._ids: dict[Attempt, str] = {}

    def begin(self, history: History, attempt: Attempt) -> None:
        super().begin(history, attempt)
        self._ids[attempt] = history.id
        self._book.say("begin", history.entity, history.id, attempt.number, attempt.verb, attempt.body)

    def end(self, attempt: Attempt, fate: Fate) -> None:
        super().end(attempt, fate)
        self._book.say(fate.name, self._ids.pop(attempt), attempt.number)


def ledger_of(lines: Iterable[list[Any]]) -> Ledger:
    """Write up the ledger of what several processes said."""
    ledger = Ledger()
    open_: dict[tuple[str, int], Attempt] = {}
    for _, word, *rest in sorted(lines, key=lambda line: line[0]):
        if word == "begin":
            entity, id_, number, verb, body = rest
            history = ledger.histories.get((entity, id_)) or History(entity, id_)
            attempt = open_[id_, number] = Attempt(number, verb, body)
            history.attempts.append(attempt)
            ledger.begin(history, attempt)
        elif word in Fate.__members__:
            id_, number = rest
            ledger.end(open_.pop((id_, number)), Fate[word])
    return ledger


def run_and_report(path: Path, work: Callable[[Logbook], Coroutine[Any, Any, None]]) -> None:
    """Do a process's work, which never ends; say what is found that must not be."""
    book = Logbook(path)
    try:
        asyncio.run(work(book))
    except BaseException:
        book.say(WRONG, traceback.format_exc())
        raise
