"""A real server, and what these tests do to it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import asyncpg

if TYPE_CHECKING:
    from tests.dynamodb_servers import Dynalite
    from tests.faults.proxy import Proxy
    from tests.s3_server import S3Server
    from tests.servers import PostgresServer, RedisCluster, RedisServer

TIMEOUT = 0.6
"""Seconds that a call may take in these tests."""

CONNECTIONS = 6
"""How many connections a client may have, where it can be told."""

_LIMITS = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT}


class Site(Protocol):
    """A server and a store in it.

    Attributes:
        port: The server's.
        url: The store's.
        limits: Options of `open_backend` that make a request wait for `TIMEOUT` seconds at most, on `CONNECTIONS`.
    """

    port: int
    url: str
    limits: dict[str, Any]

    def behind(self, proxy: Proxy) -> str:
        """Return the store's URL by way of a proxy before `port`."""
        ...

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


class _OneProcess:
    """What a server of one process is to these tests."""

    def __init__(self, server: RedisServer | Dynalite, url: str) -> None:
        self._server = server
        self.port = server.port
        self.url = url

    def behind(self, proxy: Proxy) -> str:
        return proxy.url(self.url)

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def processes(self) -> list[int]:
        return [self._server.pid]


class RedisSite(_OneProcess):
    """A durable Redis server, under a prefix of its own."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server, f"{server.url}?prefix=faults")
        self.limits: dict[str, Any] = {**_LIMITS, "max_connections": CONNECTIONS}

    async def settle(self) -> None:
        """It is one thread, and takes what came first first."""


class DynamoSite(_OneProcess):
    """A durable dynalite, and a table of its own."""

    def __init__(self, server: Dynalite) -> None:
        super().__init__(server, server.url(f"faults-{uuid4().hex}"))
        self.limits: dict[str, Any] = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT}

    async def settle(self) -> None:
        """It is at what it was sent for a moment at most; the audit reads until all is still."""


class ClusterSite:
    """A durable Redis cluster of one node, which tells clients that it is where a proxy is."""

    def __init__(self, cluster: RedisCluster) -> None:
        self._cluster = cluster
        (self._node,) = cluster.nodes
        self.port = self._node.port
        self.url = f"redis+cluster://127.0.0.1:{self.port}/?prefix=faults-{uuid4().hex}"
        self.limits: dict[str, Any] = {**_LIMITS, "max_connections": CONNECTIONS}
        self._announce(self.port)

    def behind(self, proxy: Proxy) -> str:
        self._announce(proxy.port)
        return proxy.url(self.url)

    def kill(self) -> None:
        self._node.kill()

    def start(self) -> None:
        self._node.start()
        self._cluster.settle()

    def processes(self) -> list[int]:
        return [self._node.pid]

    async def settle(self) -> None:
        """It is one thread, and takes what came first first. Whoever comes now is not sent by way of the proxy."""
        self._announce(self.port)

    def _announce(self, port: int) -> None:
        self._cluster.ask(self._node, "config", "set", "cluster-announce-port", str(port))


class PostgresSite:
    """A Postgres server with `fsync` on, and a schema of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.port = server.port
        self.schema = f"faults_{uuid4().hex[:12]}"
        self.url = f"{server.url}?schema={self.schema}&migrate=true"
        self.limits: dict[str, Any] = {
            **_LIMITS,
            "max_connections": CONNECTIONS,
            "statement_timeout": TIMEOUT * 0.8,
        }

    def behind(self, proxy: Proxy) -> str:
        return proxy.url(self.url)

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


class S3Site:
    """An S3 server, and the KV layer under a prefix of its own in a bucket of it."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self.port = server.port
        self.url = f"kv+{server.url(f'tests/faults-{uuid4().hex}')}"
        self.limits: dict[str, Any] = {**_LIMITS, "max_requests": CONNECTIONS}

    def behind(self, proxy: Proxy) -> str:
        return self.url.replace(f":{self.port}&", f":{proxy.port}&")

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def processes(self) -> list[int]:
        return [self._server.pid]

    async def settle(self) -> None:
        """What it yet applies of a client that is gone, it applies whole: the audit reads until all is still."""
