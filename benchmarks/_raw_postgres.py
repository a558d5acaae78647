"""Postgres by asyncpg alone: the table and statements of the backend."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

_KEY = "tenant = '' AND entity = $1 AND id = $2"
_UPDATE = (
    "UPDATE {table} SET session = $3, body = $4, seq = CASE WHEN session IS NOT DISTINCT FROM $3 THEN seq "
    f"ELSE nextval('{{schema}}.records_seq_seq') END WHERE {_KEY}"
)


class RawPostgres:
    """A pool with the backend's driver settings; `asyncpg.create_pool`'s own reset is left out too.

    asyncpg prepares each statement once on each connection by itself.
    """

    def __init__(self, pool: asyncpg.Pool[Any], schema: str) -> None:
        self.pool = pool
        table = self._table = f"{schema}.records"
        self._schema = schema
        self._get = f"SELECT body FROM {table} WHERE {_KEY}"
        self._list = f"SELECT body FROM {table} WHERE tenant = '' AND entity = $1 AND session = $2 ORDER BY seq"
        self._put = (
            f"INSERT INTO {table} AS old (tenant, entity, id, session, body) VALUES ('', $1, $2, $3, $4) "
            "ON CONFLICT (tenant, entity, id) DO UPDATE SET session = excluded.session, body = excluded.body, "
            "seq = CASE WHEN old.session IS NOT DISTINCT FROM excluded.session THEN old.seq ELSE excluded.seq END"
        )
        self._read = f"SELECT body, xmin FROM {table} WHERE {_KEY}"
        self._write = _UPDATE.format(table=table, schema=schema)
        self._swap = f"{self._write} AND xmin = $5"
        self._lock = f"{self._get} FOR UPDATE"

    @classmethod
    async def open(cls, url: str, schema: str = "storescope") -> RawPostgres:
        """Connect to a database whose tables the backend has made."""
        settings = {"statement_timeout": "4000", "idle_in_transaction_session_timeout": "4000"}
        pool = await asyncpg.create_pool(url, min_size=1, max_size=10, server_settings=settings, reset=_keep)
        return cls(pool, schema)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.pool.close()

    async def get_session(self, id_: str) -> dict[str, Any] | None:
        """One SELECT."""
        return await self._get_record("session", id_)

    async def set_session(self, id_: str, record: dict[str, Any]) -> None:
        """One INSERT ... ON CONFLICT."""
        await self.pool.execute(self._put, "session", id_, None, orjson.dumps(record).decode())

    async def update_session(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One SELECT, and one UPDATE that finds the row unchanged."""
        return await self._swap_record("session", id_, updates)

    async def get_message(self, id_: str) -> dict[str, Any] | None:
        """One SELECT."""
        return await self._get_record("message", id_)

    async def set_message(self, id_: str, record: dict[str, Any]) -> None:
        """One INSERT ... ON CONFLICT."""
        text = orjson.dumps(record).decode()
        await self.pool.execute(self._put, "message", id_, record["sessionId"], text)

    async def update_message(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """One SELECT, and one UPDATE that finds the row unchanged."""
        return await self._swap_record("message", id_, updates)

    async def update_locked(self, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        """The usual way for a session: BEGIN, SELECT FOR UPDATE, UPDATE, COMMIT; four round trips."""
        async with self.pool.acquire() as connection, connection.transaction():
            text = await connection.fetchval(self._lock, "session", id_)
            if text is None:
                return None
            record = {**orjson.loads(text), **updates}
            await connection.execute(self._write, "session", id_, None, orjson.dumps(record).decode())
            return record

    async def list_messages(self, session_id: str) -> list[dict[str, Any]]:
        """One SELECT."""
        rows = await self.pool.fetch(self._list, "message", session_id)
        return [orjson.loads(row[0]) for row in rows]

    async def fill(self, messages: list[dict[str, Any]]) -> None:
        """Write the rows as many at a time as asyncpg sends; COPY is refused where row-level security holds."""
        rows = [(record["id"], record["sessionId"], orjson.dumps(record).decode()) for record in messages]
        insert = (
            f"INSERT INTO {self._table} (tenant, entity, id, session, body) VALUES ('', 'message', $1, $2, $3)"
        )
        await self.pool.executemany(insert, rows)

    async def _get_record(self, entity: str, id_: str) -> dict[str, Any] | None:
        text = await self.pool.fetchval(self._get, entity, id_)
        return None if text is None else orjson.loads(text)

    async def _swap_record(self, entity: str, id_: str, updates: dict[str, Any]) -> dict[str, Any] | None:
        async with self.pool.acquire() as connection:
            while True:
                row = await connection.fetchrow(self._read, entity, id_)
                if row is None:
                    return None
                record = {**orjson.loads(row[0]), **updates}
                text = orjson.dumps(record).decode()
                home = record["sessionId"] if entity == "message" else None
                if await connection.execute(self._swap, entity, id_, home, text, row[1]) == "UPDATE 1":
                    return record


async def _keep(_: Any) -> None:
    """Spare the round trip that resets a connection, as the backend does."""
