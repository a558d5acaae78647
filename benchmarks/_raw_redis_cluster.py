"""A Redis cluster by redis-py alone: the keys, commands and scripts of the backend, for records that stay put."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from benchmarks._raw_redis import in_order, merged

_LUA = Path(__file__).parents[1] / "backends"
_COUNTER = b"\xff"
_VERSION = 1
_BATCH = 1_000
_MOST_TEXTS = 16  # as the backend has it


class RawRedisCluster:
    """redis-py's client of a cluster, with the backend's driver settings.

    Scripts are sent by digest, and never whole again to a node that has lost them.
    """

    def __init__(self, client: RedisCluster, digests: dict[str, str], prefix: str) -> None:
        self.client = client
        self._digests = digests
        self._prefix = prefix

    @classmethod
    async def open(cls, url: str, prefix: str) -> RawRedisCluster:
        """Connect, and hand the scripts to every node."""
        parts = urlsplit(url.partition(",")[0])
        client = RedisCluster(
            parts.hostname,
            parts.port or 6379,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        await client.initialize()
        shared = (_LUA / "_redis" / "place.lua").read_text()
        texts = {name: (_LUA / "_redis" / f"{name}.lua").read_text() for name in ("set_fields", "update_fields")}
        for name, before in (("act", shared), ("arrive", ""), ("settle", shared), ("point", ""), ("compact", "")):
            texts[name] = before + (_LUA / "_redis_cluster" / f"{name}.lua").read_text()
        digests = {name: str(await client.script_load(text)) for name, text in texts.items()}
        return cls(client, digests, prefix)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One HGETALL."""
        fields: dict[Any, Any] = await self.client.hgetall(self._key(id_, "session"))
        return {name.decode(): orjson.loads(text) for name, text in fields.items()} if fields else None

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One script: DEL and HSET."""
        fields = [part for name, value in record.items() for part in (name, orjson.dumps(value))]
        await self._run("set_fields", self._key(id_, "session"), *fields)

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One script: EXISTS, HSET and HGETALL."""
        fields = [part for name, value in updates.items() for part in (name, orjson.dumps(value))]
        flat: Any = await self._run("update_fields", self._key(id_, "session"), *fields)
        if flat is None:
            return None
        return {name.decode(): orjson.loads(text) for name, text in zip(flat[::2], flat[1::2], strict=True)}

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """GET of the pointer, HGET in the session's hash."""
        pointer: Any = await self.client.get(self._key(id_, "message"))
        if pointer is None:
            return None
        home = pointer.decode().partition(" ")[2]
        value: Any = await self.client.hget(self._key(home, "messages"), id_)
        return None if value is None else merged(value.split(b"\n")[1:])

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """GET of the pointer, and a script; three scripts for a new record, more for one that moves."""
        home, text = record["sessionId"], orjson.dumps(record)
        pointer: Any = await self.client.get(self._key(id_, "message")) or b""
        version, _, old = pointer.decode().partition(" ")
        if old == home:
            await self._run("act", self._key(home, "messages"), id_, version, "set", text)
            return
        if old:
            await self._run("act", self._key(old, "messages"), id_, version, "leave", b"")
        arriving = int(version or 0) + 1
        await self._run("arrive", self._key(home, "messages"), id_, version or 0, arriving, "set", text)
        await self._run("point", self._key(id_, "message"), pointer, f"{arriving} {home}")
        await self._run("settle", self._key(home, "messages"), id_, f"?{arriving}", "1")
        if old:
            await self._run("settle", self._key(old, "messages"), id_, f"!{version}", "")

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """GET of the pointer, and a script; and one more, that joins them, when there are sixteen updates."""
        pointer: Any = await self.client.get(self._key(id_, "message"))
        if pointer is None:
            return None
        version, _, home = pointer.decode().partition(" ")
        key = self._key(home, "messages")
        value: Any = await self._run("act", key, id_, version, "update", orjson.dumps(updates))
        if value is None:
            return None
        seq, *texts = value.split(b"\n")
        record = merged(texts)
        if len(texts) > _MOST_TEXTS:
            digest = sha1(value, usedforsecurity=False).hexdigest()
            await self._run("compact", key, id_, digest, seq + b"\n" + orjson.dumps(record))
        return record

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """One HVALS, sorted here."""
        values: Any = await self.client.hvals(self._key(session_id, "messages"))
        return in_order(values)

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write the hashes and pointers in pipelines."""
        counts: dict[str, int] = {}
        for first in range(0, len(messages), _BATCH):
            pipeline = self.client.pipeline()
            for record in messages[first : first + _BATCH]:
                home = record["sessionId"]
                seq = counts[home] = counts.get(home, 0) + 1
                value = b"%d\n%b" % (seq, orjson.dumps(record))
                pipeline.hset(self._key(home, "messages"), mapping={record["id"]: value, _COUNTER: seq})
                pipeline.set(self._key(record["id"], "message"), f"{_VERSION} {home}")
            await pipeline.execute()

    def _key(self, id_: str, kind: str) -> str:
        return f"{self._prefix}:{{:{id_}}}:{kind}"

    async def _run(self, script: str, key: str, *arguments: Any) -> Any:
        return await self.client.evalsha(self._digests[script], 1, key, *arguments)
