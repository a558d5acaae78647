"""The KV layer's work by hand on the raw clients: its keys and conditions, record by record."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence


class Found(NamedTuple):
    """What is stored under a key."""

    value: bytes
    version: str
    metadata: bytes


class Put(NamedTuple):
    """What is to be stored under a key."""

    key: str
    value: bytes
    metadata: bytes


class Space(Protocol):
    """What a raw client is asked for: the requests of the KV layer's engine, and no more."""

    async def get(self, keys: Sequence[str]) -> list[Found | None]:
        """Return what is stored under each key."""
        ...

    async def put(self, put: Put, version: str | None = None) -> bool:
        """Write; with a version, only over that one. Return whether it was written."""
        ...

    async def delete(self, key: str) -> None:
        """Delete."""
        ...

    async def names(self, prefix: str, after: str) -> list[str]:
        """Return up to 500 keys that begin with `prefix` and come after `after`, in order."""
        ...

    async def number(self) -> int:
        """Return a number above all before."""
        ...

    async def fill(self, puts: list[Put]) -> None:
        """Write many, the quickest way there is."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class RawKv:
    """Sessions and messages as the backend's `agent/` stores keep them. It never looks at a new entry again."""

    def __init__(self, space: Space) -> None:
        self._space = space

    async def aclose(self) -> None:
        """Close the connections."""
        await self._space.aclose()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One read."""
        return await self._get(_place("session", id_))

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One write, whatever is there."""
        await self._space.put(Put(_place("session", id_), orjson.dumps(record), _beside(id_)))

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One read, and one write over what was read."""
        return await self._update(_place("session", id_), updates)

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """One read."""
        return await self._get(_place("message", id_))

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """One read, and one write over what was read; with a new place in a session, up to four more."""
        place, text, start = _place("message", id_), orjson.dumps(record), _start(record["sessionId"])
        (old,) = await self._space.get([place])
        tail = _tail(old) if old else ""
        if old and tail.startswith(start):
            await self._space.put(Put(place, text, old.metadata), old.version)
            return
        new = f"{start}{await self._space.number():016x}\x01"
        await self._space.put(Put(_entry(new, id_), b"", b""))
        await self._space.put(Put(place, text, _beside(id_, new)), old.version if old else None)
        if old:
            await self._space.delete(_entry(tail, id_))

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One read, and one write over what was read; the updates move nothing."""
        return await self._update(_place("message", id_), updates)

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """For every 500: one read of their names, and one of them, or one of each on an object store."""
        records: list[dict[str, Any]] = []
        start = f"{_ENTRIES}{_start(session_id)}"
        names = [""]
        while names:
            names = await self._space.names(start, names[-1])
            split = [name[len(_ENTRIES) :].rpartition("\x01") for name in names]
            found = await self._space.get([f"r/agent/message/{key}" for _, _, key in split])
            records += [
                orjson.loads(each.value)
                for each, (tail, end, _) in zip(found, split, strict=True)
                if each and _tail(each) == tail + end
            ]
        return records

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write records and index entries."""
        numbers: dict[str, count[int]] = defaultdict(lambda: count(1))
        puts: list[Put] = []
        for record in messages:
            id_, home = record["id"], record["sessionId"]
            tail = f"{_start(home)}{next(numbers[home]):016x}\x01"
            puts += [
                Put(_entry(tail, id_), b"", b""),
                Put(_place("message", id_), orjson.dumps(record), _beside(id_, tail)),
            ]
        await self._space.fill(puts)

    async def _get(self, place: str) -> dict[str, Any] | None:
        (found,) = await self._space.get([place])
        return None if found is None else orjson.loads(found.value)

    async def _update(self, place: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        while True:
            (found,) = await self._space.get([place])
            if found is None:
                return None
            record = {**orjson.loads(found.value), **updates}
            if await self._space.put(Put(place, orjson.dumps(record), found.metadata), found.version):
                return record


_ENTRIES = "i/agent/message/\x01"


def _place(entity: str, id_: str) -> str:
    return f"r/agent/{entity}//{id_}"


def _start(session: str) -> str:
    return f"by_session\x01/{session}\x01"


def _entry(tail: str, id_: str) -> str:
    return f"{_ENTRIES}{tail}/{id_}"


def _beside(id_: str, *tails: str) -> bytes:
    kept: dict[str, Any] = {"i": tails} if tails else {}
    return orjson.dumps({**kept, "m": ["", id_]})


def _tail(found: Found) -> str:
    tail: str = orjson.loads(found.metadata)["i"][0]
    return tail
