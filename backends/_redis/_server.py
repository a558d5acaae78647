"""A connected server: its commands, one at a time on each connection, each within its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from storescope import BackendError
from storescope.backends._redis._errors import backend_error
from storescope.backends._redis._scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from storescope.backends._redis._connect import RedisOptions
    from storescope.reports import BackendReport


class Server:
    """What every table needs.

    The limits on time and on connections are held here: redis-py's own, `socket_timeout` and
    `BlockingConnectionPool`, cost 60 us more for each command (Python 3.11, redis-py 8.1).

    Attributes:
        client: The client, whose commands are given to `read` and `write`.
        scripts: Its scripts, given to them too.
        prefix: What every key begins with.
        max_bytes: The longest value that the server takes.
        report: Where retries, conflicts and connections are counted.
    """

    def __init__(self, client: Redis, options: RedisOptions, report: BackendReport, *, max_bytes: int) -> None:
        self.client = client
        self.scripts = Scripts(client)
        self.prefix = options.prefix
        self.max_bytes = max_bytes
        self.report = report
        self._timeout = options.timeout
        self._free = asyncio.Semaphore(options.max_connections)

    async def read(self, command: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run a command that only reads. If the connection fails on the way, it is sent once more on another."""
        return await self._run(command, args, tries=2)

    async def write(self, command: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run a command or script that writes. It is never sent twice: that could undo a later write.

        Raises:
            BackendError: If it fails, or waits too long for a free connection and the reply.
        """
        return await self._run(command, args, tries=1)

    async def _run(self, command: Callable[..., Awaitable[Any]], args: tuple[Any, ...], *, tries: int) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                if self._free.locked():
                    await self._wait()
                else:
                    await self._free.acquire()  # at once
                try:
                    return await self._try(command, args, tries)
                finally:
                    self._free.release()
        except redis_errors.RedisError as error:
            raise backend_error("a command failed", error) from None
        except TimeoutError:
            raise BackendError(
                f"redis: no reply within {self._timeout:g} s; a write may have been applied",
                driver_error="redis.TimeoutError",
                retryable=True,
            ) from None
        except OSError as error:
            raise BackendError(
                "redis: the connection failed", driver_error=type(error).__name__, retryable=True
            ) from None

    async def _try(self, command: Callable[..., Awaitable[Any]], args: tuple[Any, ...], tries: int) -> Any:
        for _ in range(tries - 1):
            try:
                return await command(*args)
            except (redis_errors.ConnectionError, OSError):
                self.report.add("retries")
        return await command(*args)

    async def _wait(self) -> None:
        """Wait for a free connection."""
        self.report.add("connections_waiting")
        try:
            await self._free.acquire()
        finally:
            self.report.add("connections_waiting", -1)
