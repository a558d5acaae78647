"""A connected server: statements, each call within its time and on a connection of the pool."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from storescope import BackendError
from storescope.backends._postgres._errors import DRIVER_ERRORS, backend_error, is_lost, is_stale
from storescope.backends._turns import Turn, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    from storescope.backends._postgres._connect import PostgresOptions
    from storescope.reports import BackendReport

    Connection: TypeAlias = asyncpg.Connection[Any] | PoolConnectionProxy[Any]

_T = TypeVar("_T")


class Server:
    """What every table needs.

    Attributes:
        report: Where retries, conflicts and connections are counted.
        schema: The schema of the tables; a checked name.
    """

    def __init__(self, pool: asyncpg.Pool[Any], options: PostgresOptions, report: BackendReport) -> None:
        self.report = report
        self.schema = options.schema
        self._pool = pool
        self._timeout = options.timeout
        self._turns = Turns(options.max_connections, options.timeout, report)

    async def read(self, tenant: str, job: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Run what only reads. If the connection fails on the way, it is tried once more on another."""
        return await self._run(_job(tenant, job), writes=False)

    async def write(
        self, tenant: str, job: Callable[[Connection], Awaitable[_T]], *, together: bool = False
    ) -> _T:
        """Run what writes. It is never sent twice: a second try could undo a later write of somebody else.

        Args:
            tenant: Whose rows; empty for those that are shared.
            job: Given a connection.
            together: Whether its statements must be one transaction.

        Raises:
            BackendError: If it fails, or waits too long for a free connection and the replies.
        """
        return await self._run(_job(tenant, job, together=together), writes=True)

    async def aclose(self) -> None:
        """Let what was begun end, and close the connections."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
        self.report.end()

    async def _run(self, job: Callable[[Connection], Awaitable[_T]], *, writes: bool) -> _T:
        sent = False
        tries = 1 if writes else 2
        try:
            with Turn(self._turns) as turn:
                if turn.waits:
                    await turn.comes()
                while True:
                    tries -= 1
                    sent = False
                    try:
                        async with _Held(self._pool, self.report) as connection:
                            sent = True
                            return await job(connection)
                    except DRIVER_ERRORS as error:
                        if not (tries and is_lost(error)):
                            raise
                    self.report.add("retries")
        except TimeoutError:
            if sent:  # idle ones most likely end nowhere too; each would cost a call its time-out
                await self._pool.expire_connections()
            raise BackendError(
                f"postgresql: no reply within {self._timeout:g} s",
                driver_error="asyncpg.TimeoutError",
                retryable=True,
                maybe_applied=sent and writes,
            ) from None
        except DRIVER_ERRORS as error:
            what = "a statement failed" if sent else "cannot connect"
            raise backend_error(what, error, sent=sent and writes) from None


class _Held:
    """A connection of the pool, for a block. A generator would do, but costs more."""

    __slots__ = ("_connection", "_pool", "_report")

    def __init__(self, pool: asyncpg.Pool[Any], report: BackendReport) -> None:
        self._pool = pool
        self._report = report

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.acquire()
        self._report.set("connections_open", self._pool.get_size())
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                await self._distrust(error)
        finally:
            await self._pool.release(self._connection)
            self._report.set("connections_open", self._pool.get_size())

    async def _distrust(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            # To cancel a statement, asyncpg would ask the server on a second connection and wait for it: one that
            # is dead never answers.
            self._connection.terminate()
        elif isinstance(error, DRIVER_ERRORS) and is_stale(error):
            self._connection.terminate()
            await self._pool.expire_connections()  # the idle ones broke with it: each is made anew when used


def _job(
    tenant: str, job: Callable[[Connection], Awaitable[_T]], *, together: bool = False
) -> Callable[[Connection], Awaitable[_T]]:
    """Put `job` in a transaction if its statements belong together, or row-level security must know the tenant."""
    begin = "BEGIN"
    if tenant:  # one round trip for both; in hex digits, nothing can end the literal
        name = f"convert_from(decode('{tenant.encode().hex()}', 'hex'), 'UTF8')"
        begin += f"; SELECT set_config('storescope.tenant', {name}, true)"  # true: for this transaction
    elif not together:
        return job

    async def in_transaction(connection: Connection) -> _T:
        await connection.execute(begin)
        try:
            result = await job(connection)
        except Exception:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return result

    return in_transaction
