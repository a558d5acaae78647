"""Writes that are made once, however often their step is run: the call's id and result commit with the data."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.backends._effects import PRUNED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends._effects import Effect
    from storescope.backends._postgres._server import Connection, Server

Job: TypeAlias = "Callable[[Connection], Awaitable[str | None]]"
"""What a write does in its transaction; returns the record that an update returns, encoded."""


class PostgresEffects:
    """What one schema knows of the writes that came with a call id.

    Attributes:
        days: For how long; 0 for not at all.
    """

    def __init__(self, server: Server, days: float) -> None:
        self.days = days
        self._age = timedelta(days=days)
        self._server = server
        table = f"{server.schema}.effects"
        key = "tenant = $1 AND call_id = $2 AND entity = $3 AND verb = $4 AND id = $5"
        # This very call's stays, or the insert would meet a row that is there and gone; and nobody waits for it.
        old = (
            f"SELECT ctid FROM {table} WHERE tenant = $1 AND at < now() - $6::interval AND call_id <> $2 "
            f"LIMIT {PRUNED_AT_ONCE} FOR UPDATE SKIP LOCKED"
        )
        # It waits for another process that is at the same call, and finds what that one left.
        self._take = (
            f"WITH old AS (DELETE FROM {table} WHERE ctid IN ({old})) INSERT INTO {table} "
            "(tenant, call_id, entity, verb, id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING true"
        )
        self._find = f"SELECT result FROM {table} WHERE {key}"
        self._keep = f"UPDATE {table} SET result = $6 WHERE {key}"
        self._drop = f"DELETE FROM {table} WHERE {key}"

    async def once(self, effect: Effect, job: Job) -> str | None:
        """Run the job and keep what it returns; or, if that is kept already, return it.

        An update that found nothing to update did nothing, and is not kept.

        Args:
            effect: Which write it is.
            job: The write.
        """

        async def run(connection: Connection) -> str | None:
            if not await connection.fetchval(self._take, *effect, self._age):
                known: Any = await connection.fetchval(self._find, *effect)
                return None if known is None else str(known)
            result = await job(connection)
            if result is not None:
                await connection.execute(self._keep, *effect, result)
            elif effect.verb == "update":
                await connection.execute(self._drop, *effect)
            return result

        return await self._server.write(effect.tenant, run, together=True)
