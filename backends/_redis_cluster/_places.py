"""Where messages and parts are in a cluster, where a pointer and a session's hash are in two slots.

No script sees both. The pointer, `VERSION SESSION`, alone says where a record is. Its version grows with each
change. In the session's hash the record's line begins with its sequence number and, while it moves, a mark with a
version:

- `7?43`: it is arriving, and will be here once the pointer's version is 43 or more, and this its session;
- `7!42`: it is leaving, and here until the pointer, of version 42, changes.

A record that is set or moved arrives first, then the pointer changes, from exactly what it was, then marks are
ended and what has left is taken out. So an unmarked line is where its pointer says, and a list need not ask.
Whoever finds a mark asks the pointer. Killed at any point, a client leaves marks that readers see through, and
that hold up nobody for longer than `_PATIENCE`: the next who wants to write raises the pointer's version, which no
half-done move survives. A version begins as the time in microseconds, so that a record which was deleted and made
again has no pointer that it had before.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope.backends._codec import merge
from storescope.backends._redis._connection import ATTEMPT
from storescope.backends._redis._errors import DRIVER_ERRORS, check_size
from storescope.backends._redis_cluster._marks import Mark, Pointer, is_line

if TYPE_CHECKING:
    from storescope.backends._redis._keys import SlotKeys
    from storescope.backends._redis_cluster._client import ClusterClient
    from storescope.backends._redis_cluster._scripts import SlotScripts

_PATIENCE = 0.15
"""Seconds for which a mark may stand in a write's way before its owner is taken for dead; no harm if it lives."""


class Write(NamedTuple):
    """What is to become of a record.

    Attributes:
        verb: `set` or `update`.
        text: The encoded record, or updates.
        session: Where it shall be; empty for where it is.
        max_bytes: The longest value that a node takes.
    """

    verb: str
    text: bytes
    session: str
    max_bytes: int


class Place:
    """One record's pointer, and its line wherever that is. Each method is one command, or one after the other."""

    def __init__(
        self, client: ClusterClient, scripts: SlotScripts, keys: SlotKeys, entity: str, name: tuple[str, str]
    ) -> None:
        tenant, self._id = name
        self._client = client
        self._scripts = scripts
        self._keys = keys
        self._tenant = tenant
        self._entity = entity
        self._pointer_key = keys.record(tenant, entity, self._id)

    async def pointer(self) -> Pointer | None:
        """Return the pointer; None if there is none."""
        stored: Any = await self._client.get(self._pointer_key)
        return Pointer.read(stored)

    async def read(self) -> bytes | None:
        """Return the record's line; None if there is no such record."""
        seen = None
        while True:
            pointer = await self.pointer()
            if pointer is None or pointer == seen:
                return None
            line: Any = await self._client.hget(self._session_key(pointer.session), self._id)
            if line is not None and Mark.of(line).version <= pointer.version:
                return bytes(line)
            seen = pointer  # it has just moved, or never arrived

    async def write(self, write: Write) -> tuple[str, bytes | None]:
        """Write, and return the session where the record is, and its line; None if there is none to update."""
        since, seen = time.monotonic(), None
        outcome: bytes | None = b""
        while True:
            pointer = await self._locate()
            lost = outcome is None and pointer == seen  # what the pointer points to
            if write.verb == "update" and (pointer is None or lost):
                return "", None
            session = write.session or (pointer.session if pointer else "")
            if pointer is None or pointer.session != session or lost:
                outcome = await self._move(pointer, session, write)
            else:
                outcome = await self._act(pointer, write.verb, write.text)
            if is_line(outcome):
                return session, outcome
            if pointer != seen:
                since, seen = time.monotonic(), pointer
            elif outcome is not None:
                if time.monotonic() - since > _PATIENCE:
                    await self._overrule(session, pointer, outcome)
                await asyncio.sleep(uniform(0.002, 0.02))  # noqa: S311 (so that two do not meet again)

    async def delete(self) -> bool:
        """Delete the line, then the pointer; return whether there was a record."""
        found, seen = False, None
        while True:
            pointer = await self._locate()
            if pointer is None:
                return found
            outcome = await self._act(pointer, "purge")
            if outcome is None or is_line(outcome):
                ATTEMPT.get().applied = found = found or outcome is not None
                if not await self._scripts.point((self._pointer_key,), (str(pointer), "")):
                    return found
            elif pointer == seen:
                await self._overrule(pointer.session, pointer, outcome)
            seen = pointer

    async def settle(self, session: str, mark: Mark, *, stays: bool) -> bool:
        """End what a mark stands for, if it is still there: the record is here to stay, or to be taken out.

        Returns:
            Whether there was a line, with this mark or not.
        """
        arguments = (self._id, str(mark), "1" if stays else "")
        return bool(await self._scripts.settle((self._session_key(session),), arguments))

    async def _move(self, old: Pointer | None, session: str, write: Write) -> bytes | None:
        """Take the record from where it is, if it is anywhere, to the session where it shall be."""
        text = write.text
        if old is not None:
            line = await self._act(old, "leave")
            if not is_line(line) and (line is not None or write.verb == "update"):
                return line
            if write.verb == "update" and line is not None:
                _, before, *lines = line.split(b"\n")
                text, _ = merge(before, *lines, text)
                check_size(len(text), write.max_bytes)
        new = await self._arrive(old, session, write.verb, text)
        if isinstance(new, bytes):
            return new
        if not await self._turn(old, new):
            return b""
        with suppress(*DRIVER_ERRORS):  # it is done; who finds what is left ends it
            there = await self.settle(new.session, Mark(b"?", new.version), stays=True)
            if not there and write.verb == "set" and await self.pointer() == new:
                return b""  # it took so long that a list took it for forgotten: put it there again
            if old is not None and old.session != new.session:
                await self.settle(old.session, Mark(b"!", old.version), stays=False)
        return b"0\n" + text

    async def _arrive(self, old: Pointer | None, session: str, verb: str, text: bytes) -> Pointer | bytes:
        """Put the record where it shall be, and return what the pointer must become; or the mark in the way."""
        known = old.version if old else 0
        wanted = known + 1 if old else time.time_ns() // 1000
        arguments = (self._id, str(known), str(wanted), verb, text)
        placed: bytes = await self._scripts.arrive((self._session_key(session),), arguments)
        if not placed.isdigit():
            return placed
        ATTEMPT.get().applied = True  # somebody else's pointer may take it in
        return Pointer(int(placed), session)

    async def _turn(self, old: Pointer | None, new: Pointer) -> bool:
        """Turn the pointer, if it is what it was, and return whether it is what it should be."""
        now = await self._scripts.point((self._pointer_key,), (str(old or ""), str(new)))
        found = Pointer.read(now)
        if found == new:
            return True
        if found is None or found.session != new.session:  # the record was moved elsewhere, or deleted
            await self.settle(new.session, Mark(b"?", new.version), stays=False)
        return False

    async def _overrule(self, session: str, pointer: Pointer | None, outcome: bytes) -> None:
        """Raise the pointer's version above a mark that stays, so that whoever left it cannot go on."""
        mark = Mark.of(b"0" + outcome)
        if pointer is None:  # nothing moves that is nowhere
            await self.settle(session, mark, stays=False)
            return
        raised = pointer._replace(version=max(pointer.version, mark.version) + 1)
        await self._scripts.point((self._pointer_key,), (str(pointer), str(raised)))

    async def _locate(self) -> Pointer | None:
        attempt = ATTEMPT.get()
        attempt.harmless = True
        found = await self.pointer()
        attempt.harmless = attempt.sent = False
        return found

    async def _act(self, pointer: Pointer, verb: str, text: bytes = b"") -> bytes | None:
        attempt = ATTEMPT.get()
        attempt.harmless = verb == "leave"
        key = self._session_key(pointer.session)
        line: bytes | None = await self._scripts.act((key,), (self._id, str(pointer.version), verb, text))
        if attempt.harmless:
            attempt.harmless = attempt.sent = False
        return line

    def _session_key(self, session: str) -> str:
        return self._keys.session(self._tenant, self._entity, session)
