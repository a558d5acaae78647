"""A real server, and what these tests do to it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import asyncpg

if TYPE_CHECKING:
    from tests.servers import Dynalite, PostgresServer, RedisServer

TIMEOUT = 0.6
"""Seconds that a call may take in these tests."""


class Site(Protocol):
    """A server and a store in it.

    Attributes:
        port: The server's.
        url: The store's.
        limits: Options of `open_backend` that make a call wait for `TIMEOUT` seconds at most.
    """

    port: int
    url: str
    limits: dict[str, Any]

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        ...

    def start(self) -> None:
        """Start it again."""
        ...

    def processes(self) -> list[int]:
        """Return the ids of its processes."""
        ...

    async def settle(self) -> None:
        """Wait until it is at nothing any more that a client, gone by now, has sent."""
        ...


def stop(site: Site) -> list[int]:
    """Stop all the server's processes, and return them. Connections stay open; the system still takes new ones."""
    processes = site.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    return processes


def go_on(processes: list[int]) -> None:
    """Let them go on."""
    for process in processes:
        os.kill(process, signal.SIGCONT)


class RedisSite:
    """A durable Redis server, under a prefix of its own."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.port = server.port
        self.url = f"{server.url}?prefix=faults"
        self.limits: dict[str, Any] = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT}

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def processes(self) -> list[int]:
        return [self._server.pid]

    async def settle(self) -> None:
        """It is one thread, and takes what came first first."""


class DynamoSite:
    """A durable dynalite, and a table of its own."""

    def __init__(self, server: Dynalite) -> None:
        self._server = server
        self.port = server.port
        self.url = server.url("faults")
        self.limits: dict[str, Any] = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT}

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def processes(self) -> list[int]:
        return [self._server.pid]

    async def settle(self) -> None:
        """It is at what it was sent for a moment at most; the audit reads until all is still."""


class PostgresSite:
    """A Postgres server with `fsync` on, and a schema of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.port = server.port
        self.schema = f"faults_{uuid4().hex[:12]}"
        self.url = f"{server.url}?schema={self.schema}&migrate=true"
        self.limits: dict[str, Any] = {
            "timeout": TIMEOUT,
            "connect_timeout": TIMEOUT,
            "statement_timeout": TIMEOUT * 0.8,
        }

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def processes(self) -> list[int]:
        return self.server.processes()

    async def settle(self) -> None:
        others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> $1"
        connection = await asyncpg.connect(self.server.superuser_url)
        try:
            async with asyncio.timeout(20):
                while await connection.fetchval(others, connection.get_server_pid()):  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def execute(self, *statements: str) -> Any:
        """Run statements as the superuser, each by itself; return the last one's first value."""
        connection = await asyncpg.connect(self.server.superuser_url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()
