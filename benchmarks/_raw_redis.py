"""Redis by redis-py alone: the keys, commands and scripts of the backend."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_LUA = Path(__file__).parents[1] / "backends" / "_redis"
_SHARED = ("get_in_session", "set_in_session", "update_in_session", "compact")
_COUNTER = b"\xff"
_BATCH = 1_000


class RawRedis:
    """A client with the backend's driver settings, which are the fastest that redis-py has.

    Scripts are sent by digest, and never whole again to a server that has lost them.
    """

    def __init__(self, client: Redis, digests: dict[str, str], prefix: str) -> None:
        self.client = client
        self._digests = digests
        self._prefix = f"{prefix}::"

    @classmethod
    async def open(cls, url: str, prefix: str = "storescope") -> RawRedis:
        """Connect, and hand the scripts to the server."""
        pool = ConnectionPool.from_url(
            url,
            max_connections=20,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=2.0,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        client = Redis.from_pool(pool)
        digests: dict[str, str] = {}
        for name in ("set_fields", "update_fields", *_SHARED):
            shared = (_LUA / "place.lua").read_text() if name in _SHARED else ""
            digests[name] = str(await client.script_load(shared + (_LUA / f"{name}.lua").read_text()))
        return cls(client, digests, prefix)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One HGETALL."""
        fields: dict[Any, Any] = await self.client.hgetall(f"{self._prefix}session:{id_}")
        return {name.decode(): orjson.loads(text) for name, text in fields.items()} if fields else None

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One script: DEL and HSET."""
        fields = [part for name, value in record.items() for part in (name, orjson.dumps(value))]
        await self._run("set_fields", f"{self._prefix}session:{id_}", *fields)

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One script: EXISTS, HSET and HGETALL."""
        fields = [part for name, value in updates.items() for part in (name, orjson.dumps(value))]
        flat: Any = await self._run("update_fields", f"{self._prefix}session:{id_}", *fields)
        if flat is None:
            return None
        return {name.decode(): orjson.loads(text) for name, text in zip(flat[::2], flat[1::2], strict=True)}

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """One script: GET of the pointer, HGET in the session's hash."""
        value: Any = await self._run("get_in_session", self._pointer(id_), self._hashes, id_)
        return None if value is None else merged(value.split(b"\n")[1:])

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """One script, that finds the record's place in its session and keeps it."""
        text = orjson.dumps(record)
        await self._run("set_in_session", self._pointer(id_), self._hashes, id_, record["sessionId"], text)

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One script; and one more, that joins them, when there are sixteen updates."""
        to = updates.get("sessionId", "")
        text = orjson.dumps(updates)
        value: Any = await self._run("update_in_session", self._pointer(id_), self._hashes, id_, to, text)
        if value is None:
            return None
        seq, *texts = value.split(b"\n")
        record = merged(texts)
        if len(texts) > 16:  # noqa: PLR2004 (as the backend does)
            digest = sha1(value, usedforsecurity=False).hexdigest()
            joined = seq + b"\n" + orjson.dumps(record)
            await self._run("compact", self._pointer(id_), self._hashes, id_, digest, joined)
        return record

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """One HVALS, sorted here."""
        values: Any = await self.client.hvals(self._hashes + session_id)
        return in_order(values)

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write the hashes and pointers in pipelines."""
        counts: dict[str, int] = {}
        for first in range(0, len(messages), _BATCH):
            async with self.client.pipeline(transaction=False) as pipeline:
                for record in messages[first : first + _BATCH]:
                    home = record["sessionId"]
                    seq = counts[home] = counts.get(home, 0) + 1
                    value = b"%d\n%b" % (seq, orjson.dumps(record))
                    pipeline.hset(self._hashes + home, mapping={record["id"]: value, _COUNTER: seq})
                    pipeline.set(self._pointer(record["id"]), f"{seq} {home}")
                await pipeline.execute()

    async def fill_plain(self, messages: list[dict[str, Any]]) -> list[str]:
        """Keep each message as one string, and return the keys."""
        keys = [f"plain:{record['id']}" for record in messages]
        texts = [orjson.dumps(record) for record in messages]
        await self.client.mset(dict(zip(keys, texts, strict=True)))
        return keys

    @property
    def _hashes(self) -> str:
        return f"{self._prefix}messages:"

    def _pointer(self, id_: str) -> str:
        return f"{self._prefix}message:{id_}"

    async def _run(self, script: str, key: str, *arguments: Any) -> Any:
        return await self.client.evalsha(self._digests[script], 1, key, *arguments)


def in_order(values: list[bytes]) -> list[dict[str, Any]]:
    """Return the records of a session's hash."""
    split = [value.split(b"\n") for value in values]
    split = [parts for parts in split if len(parts) > 1]  # the counter has one
    split.sort(key=lambda parts: int(parts[0]))
    return [merged(parts[1:]) for parts in split]


def merged(texts: list[bytes]) -> dict[str, Any]:
    """Return a record with its updates."""
    record: dict[str, Any] = orjson.loads(texts[0])
    for text in texts[1:]:
        record.update(orjson.loads(text))
    return record
