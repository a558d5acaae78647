"""The raw clients below the KV layer: redis-py, asyncpg and obstore, with the layer's own scripts and layout."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError

from benchmarks._raw_kv import Found, Put
from storescope.backends._kv._object_names import key_of, name_of, start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from obstore.store import S3Store
    from redis.asyncio import Redis

_LUA = Path(__file__).parents[1] / "backends" / "_kv"
_PAGE, _BATCH, _AT_ONCE = 500, 1_000, 32
_ANY_SIZE = str(2**62)


class RedisSpace:
    """One EVALSHA for each request."""

    def __init__(self, client: Redis, digests: dict[str, str], prefix: str = "storescope") -> None:
        self._client = client
        self._digests = digests
        self._entries, self._all, self._numbers = (
            f"{prefix}:$kv:{name}" for name in ("entry:", "keys", "numbers")
        )

    @classmethod
    async def open(cls, client: Redis) -> RedisSpace:
        """Hand the scripts to the server."""
        names = ("get", "put", "delete", "list")
        return cls(client, {name: str(await client.script_load(_script(name))) for name in names})

    async def get(self, keys: Sequence[str]) -> list[Found | None]:
        """One request."""
        places = [self._entries + key for key in keys]
        digest = self._digests["get"]
        rows: Any = await self._client.evalsha(digest, len(places), *places, _ANY_SIZE) if keys else []
        return [Found(row[2], row[0].decode(), row[1]) if row else None for row in rows]

    async def put(self, put: Put, version: str | None = None) -> bool:
        """One request."""
        arguments = (put.key, token_hex(12), put.metadata, put.value, version or "*")
        keys = (self._entries + put.key, self._all)
        return bool(await self._client.evalsha(self._digests["put"], 2, *keys, *arguments))

    async def delete(self, key: str) -> None:
        """One request."""
        await self._client.evalsha(self._digests["delete"], 2, self._entries + key, self._all, key, "*")

    async def names(self, prefix: str, after: str) -> list[str]:
        """One request."""
        bounds = (f"({after}" if after else f"[{prefix}", f"({prefix[:-1]}\x02")
        rows: Any = await self._client.evalsha(self._digests["list"], 1, self._all, self._entries, *bounds, _PAGE)
        return [key.decode() for key in rows[::2]]

    async def number(self) -> int:
        """One INCR."""
        return int(await self._client.incr(self._numbers))

    async def fill(self, puts: list[Put]) -> None:
        """Write in pipelines."""
        for first in range(0, len(puts), _BATCH):
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, value, metadata in puts[first : first + _BATCH]:
                    fields: dict[Any, Any] = {"version": token_hex(12), "metadata": metadata, "value": value}
                    pipeline.hset(self._entries + key, mapping=fields)
                    pipeline.zadd(self._all, {key: 0})
                await pipeline.execute()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class PostgresSpace:
    """One statement for each request."""

    def __init__(self, pool: asyncpg.Pool[Any], schema: str) -> None:
        self._pool = pool
        table = f"{schema}.kv_entries"
        insert = f"INSERT INTO {table} (key, version, metadata, value) VALUES ($1, $2, $3, $4)"
        values = "SET version = $2, metadata = $3, value = $4"
        self._get = f"SELECT key, value, version, metadata FROM {table} WHERE key = ANY($1)"
        self._get_one = f"SELECT key, value, version, metadata FROM {table} WHERE key = $1"
        self._insert = insert
        self._put = f"{insert} ON CONFLICT (key) DO UPDATE {values}"
        self._swap = f"UPDATE {table} {values} WHERE key = $1 AND version = $5"
        self._delete = f"DELETE FROM {table} WHERE key = $1"
        self._list = (
            f"SELECT key FROM {table} WHERE key >= $1 AND key > $2 AND key < $3 ORDER BY key LIMIT {_PAGE}"
        )
        self._number = f"SELECT nextval('{schema}.kv_numbers')"

    async def get(self, keys: Sequence[str]) -> list[Found | None]:
        """One SELECT."""
        if len(keys) == 1:
            row = await self._pool.fetchrow(self._get_one, keys[0])
            return [None if row is None else Found(*row[1:])]
        found = {row[0]: Found(*row[1:]) for row in await self._pool.fetch(self._get, keys)}
        return [found.get(key) for key in keys]

    async def put(self, put: Put, version: str | None = None) -> bool:
        """One INSERT ... ON CONFLICT, or one UPDATE."""
        row = (put.key, token_hex(12), put.metadata, put.value)
        if version is None:
            await self._pool.execute(self._put, *row)
            return True
        return bool(await self._pool.execute(self._swap, *row, version) == "UPDATE 1")

    async def delete(self, key: str) -> None:
        """One DELETE."""
        await self._pool.execute(self._delete, key)

    async def names(self, prefix: str, after: str) -> list[str]:
        """One SELECT."""
        return [row[0] for row in await self._pool.fetch(self._list, prefix, after, f"{prefix[:-1]}\x02")]

    async def number(self) -> int:
        """One SELECT of the sequence's next."""
        return int(await self._pool.fetchval(self._number))

    async def fill(self, puts: list[Put]) -> None:
        """Write the rows as many at a time as asyncpg sends."""
        await self._pool.executemany(self._insert, [(key, token_hex(12), m, value) for key, value, m in puts])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()


class S3Space:
    """One request for each object."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def get(self, keys: Sequence[str]) -> list[Found | None]:
        """One GET for each, several at once."""
        return await asyncio.gather(*map(self._get, keys)) if len(keys) != 1 else [await self._get(keys[0])]

    async def put(self, put: Put, version: str | None = None) -> bool:
        """One PUT."""
        body = token_bytes(12) + len(put.metadata).to_bytes(4) + put.metadata + put.value
        mode: Any = {"e_tag": version} if version else "overwrite"
        async with self._free:
            with suppress(BaseError):
                await self._store.put_async(name_of(put.key), body, mode=mode, use_multipart=False)
                return True
        return False

    async def delete(self, key: str) -> None:
        """One DELETE."""
        await self._store.delete_async(name_of(key))

    async def names(self, prefix: str, after: str) -> list[str]:
        """One list."""
        start = start_of(prefix)
        found: list[str] = []
        async for batch in self._store.list(offset=name_of(after) if after else start, chunk_size=_PAGE):
            for meta in batch:
                key = key_of(meta["path"])
                if not meta["path"].startswith(start) or len(found) == _PAGE:
                    return found
                if key is not None:
                    found.append(key)
        return found

    async def number(self) -> int:
        """No request: this machine's time."""
        return time.time_ns()

    async def fill(self, puts: list[Put]) -> None:
        """Write several at once."""
        for written in await asyncio.gather(*map(self.put, puts)):
            if not written:
                raise RuntimeError("an object was not written")

    async def aclose(self) -> None:
        """Idle connections close by themselves."""

    async def _get(self, key: str) -> Found | None:
        async with self._free:
            try:
                result = await self._store.get_async(name_of(key))
            except FileNotFoundError:
                return None
            body = bytes(await result.bytes_async())
        begins = 16 + int.from_bytes(body[12:16])
        return Found(body[begins:], str(result.meta["e_tag"]), body[16:begins])


def _script(name: str) -> str:
    return (_LUA / f"kv_{name}.lua").read_text()
