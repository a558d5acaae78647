"""Messages and parts in a cluster, where a pointer and a session's hash are in two slots, and no script sees both.

The pointer, `VERSION SESSION`, alone says where a record is. Its version grows with each change. In the session's
hash the record's line begins with its sequence number and, while it moves, a mark with a version:

- `7?43`: it is arriving, and will be here once the pointer's version is 43 or more, and this its session;
- `7!42`: it is leaving, and here until the pointer, of version 42, changes.

A record that is set or moved arrives first, then the pointer changes, from exactly what it was, then marks are ended
and what has left is taken out. So an unmarked line is where its pointer says, and a list need not ask. Whoever finds
a mark asks the pointer. Killed at any point, a client leaves marks that readers see through, and that hold up nobody
for longer than `_PATIENCE`: the next who wants to write raises the pointer's version, which no half-done move
survives. A version begins as the time in microseconds, so that a record which was deleted and made again has no
pointer that it had before.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import BackendError
from storescope.backends._codec import encode, merge
from storescope.backends._redis._connection import ATTEMPT
from storescope.backends._redis._errors import DRIVER_ERRORS, check_size
from storescope.backends._redis._tables import RedisTable, compact, from_value, in_order
from storescope.backends._redis_cluster._lists import settle_marks
from storescope.backends._redis_cluster._marks import Mark, Pointer, is_line
from storescope.backends._redis_cluster._scripts import SlotScripts

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._redis._keys import SlotKeys
    from storescope.backends._redis_cluster._server import ClusterServer

_PATIENCE = 0.15
"""Seconds for which a mark may stand in the way of a write before its owner is taken for dead. It is no harm if not."""


class Write(NamedTuple):
    """What is to become of a record.

    Attributes:
        verb: `set` or `update`.
        text: The encoded record, or updates.
        session: Where it shall be; empty for where it is.
    """

    verb: str
    text: bytes
    session: str


class SpreadTable(RedisTable):
    """One hash for all records of a session, in the session's slot; a pointer in the record's own."""

    def __init__(self, server: ClusterServer, keys: SlotKeys, entity: str) -> None:
        super().__init__(server, keys, entity)
        self._slot_keys = keys
        self._scripts = SlotScripts(server.client)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""
        value = await self._read(self._find_line, tenant, id)
        return None if value is None else from_value(value)

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        text = encode(record)
        check_size(len(text), self._max_bytes)
        await self._write(self._carry_out, tenant, id, Write("set", text, record["sessionId"]))

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Append `updates` and return the record; None if there is none."""
        text = encode(updates)
        check_size(len(text), self._max_bytes)
        session, value = await self._write(
            self._carry_out, tenant, id, Write("update", text, updates.get("sessionId", ""))
        )
        if value is None:
            return None
        record, compacted = compact(value)
        if compacted is not None:
            with suppress(BackendError):  # the update is in; the next updater will try this again
                key = self._session_key(tenant, session)
                if not await self._write(self._scripts.compact, (key,), (id, *compacted)):
                    self._report.add("update_conflicts")
        return record

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, its pointer and its place in the session, and return whether there was one."""
        return bool(await self._write(self._delete, tenant, id))

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in one round trip if none is on the move."""
        key = self._session_key(tenant, session_id)
        try:
            return in_order(await self._read(self._client.hvals, key))
        except ValueError:  # a sequence number with a mark
            return in_order(await self._read(self._list_marked, tenant, session_id))

    def _session_key(self, tenant: str, session_id: str) -> str:
        return self._slot_keys.session(tenant, self._entity, session_id)

    async def _list_marked(self, tenant: str, session_id: str) -> list[bytes]:
        lines: dict[Any, Any] = await self._client.hgetall(self._session_key(tenant, session_id))

        async def locate(id_: bytes) -> Pointer | None:
            return Pointer.read(await self._client.get(self._key(tenant, id_.decode())))

        async def settle(id_: bytes, mark: Mark, *, stays: bool) -> None:
            await self._settle(tenant, id_.decode(), session_id, mark, stays=stays)

        return await settle_marks(lines, session_id, locate, settle)

    async def _find_line(self, tenant: str, id: str) -> bytes | None:
        seen = None
        while True:
            pointer = Pointer.read(await self._client.get(self._key(tenant, id)))
            if pointer is None or pointer == seen:
                return None
            line: bytes | None = await self._client.hget(self._session_key(tenant, pointer.session), id)
            if line is not None and Mark.of(line).version <= pointer.version:
                return line
            seen = pointer  # it has just moved, or never arrived

    async def _carry_out(self, tenant: str, id: str, write: Write) -> tuple[str, bytes | None]:
        """Write, and return the session where the record is, and its line; None if there is none to update."""
        started, seen, outcome = time.monotonic(), None, b""
        while True:
            pointer = await self._locate(tenant, id)
            if pointer is None and write.verb == "update":
                return "", None
            target = write.session or (pointer.session if pointer else "")
            lost = outcome is None and pointer == seen
            if lost and write.verb == "update":
                return "", None
            if pointer is None or pointer.session != target or lost:
                outcome = await self._move(tenant, id, pointer, write._replace(session=target))
            else:
                outcome = await self._act(tenant, id, pointer, write.verb, write.text)
            if is_line(outcome):
                return target, outcome
            if pointer != seen:
                started, seen = time.monotonic(), pointer
            elif outcome is not None:
                if time.monotonic() - started > _PATIENCE:
                    await self._overrule(tenant, id, target, pointer, outcome)
                await asyncio.sleep(uniform(0.002, 0.02))

    async def _move(self, tenant: str, id: str, old: Pointer | None, write: Write) -> bytes | None:
        """Take the record from where it is, if it is anywhere, to the session where it shall be."""
        text = write.text
        if old is not None:
            line = await self._act(tenant, id, old, "leave")
            if not is_line(line) and (line is not None or write.verb == "update"):
                return line
            if write.verb == "update" and line is not None:
                _, before, *lines = line.split(b"\n")
                text, _ = merge(before, *lines, text)
                check_size(len(text), self._max_bytes)
        known = old.version if old else 0
        wanted = known + 1 if old else time.time_ns() // 1000
        key = self._session_key(tenant, write.session)
        placed = await self._scripts.arrive((key,), (id, str(known), str(wanted), write.verb, text))
        if not placed.isdigit():
            return bytes(placed)
        ATTEMPT.get().applied = True
        if not await self._point(tenant, id, old, Pointer(int(placed), write.session)):
            return b""
        with suppress(*DRIVER_ERRORS):  # it is done; who finds what is left ends it
            await self._settle(tenant, id, write.session, Mark(b"?", int(placed)), stays=True)
            if old is not None and old.session != write.session:
                await self._settle(tenant, id, old.session, Mark(b"!", old.version), stays=False)
        return b"0\n" + text

    async def _point(self, tenant: str, id: str, old: Pointer | None, new: Pointer) -> bool:
        """Change the pointer from what it was, and return whether it is what it should be."""
        now = await self._scripts.point((self._key(tenant, id),), (str(old or ""), str(new)))
        found = Pointer.read(now)
        if found == new:
            return True
        if found is None or found.session != new.session:  # the record was moved elsewhere, or deleted
            await self._settle(tenant, id, new.session, Mark(b"?", new.version), stays=False)
        return False

    async def _delete(self, tenant: str, id: str) -> bool:
        found, seen = False, None
        while True:
            pointer = await self._locate(tenant, id)
            if pointer is None:
                return found
            line = await self._act(tenant, id, pointer, "purge")
            if line is None or is_line(line):
                found = found or line is not None
                ATTEMPT.get().applied = found
                if not await self._scripts.point((self._key(tenant, id),), (str(pointer), "")):
                    return found
            elif pointer == seen:
                await self._overrule(tenant, id, pointer.session, pointer, line)
            seen = pointer

    async def _overrule(self, tenant: str, id: str, target: str, pointer: Pointer | None, stays: bytes) -> None:
        """Raise the pointer's version above a mark that stays, so that whoever left it cannot go on."""
        mark = Mark.of(b"0" + stays)
        if pointer is None:  # nothing moves that is nowhere
            await self._settle(tenant, id, target, mark, stays=False)
            return
        raised = pointer._replace(version=max(pointer.version, mark.version) + 1)
        await self._scripts.point((self._key(tenant, id),), (str(pointer), str(raised)))

    async def _locate(self, tenant: str, id: str) -> Pointer | None:
        attempt = ATTEMPT.get()
        attempt.harmless = True
        found = Pointer.read(await self._client.get(self._key(tenant, id)))
        attempt.harmless = False
        return found

    async def _act(self, tenant: str, id: str, pointer: Pointer, verb: str, text: bytes = b"") -> bytes | None:
        key, attempt = self._session_key(tenant, pointer.session), ATTEMPT.get()
        attempt.harmless = verb == "leave"
        line: bytes | None = await self._scripts.act((key,), (id, str(pointer.version), verb, text))
        attempt.harmless = False
        return line

    async def _settle(self, tenant: str, id: str, session: str, mark: Mark, *, stays: bool) -> None:
        key = self._session_key(tenant, session)
        await self._scripts.settle((key,), (id, str(mark), "1" if stays else ""))
