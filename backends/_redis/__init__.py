"""`redis://` and `rediss://`: one Redis server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendInfo
from storescope.backends._links import Links
from storescope.backends._redis._connect import Address, RedisOptions, connect, read_address
from storescope.backends._redis._keys import PlainKeys
from storescope.backends._redis._marker import RedisMarker
from storescope.backends._redis._server import Server
from storescope.backends._redis._tables import HashTable, SessionTable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from storescope.backends._options import Target
    from storescope.backends._tables import Site


class RedisEngine:
    """The tables of one server, under one prefix."""

    Options: ClassVar = RedisOptions

    def __init__(self, server: Server[Redis], address: Address) -> None:
        self.server = server
        keys = PlainKeys(server.prefix)
        self.session = HashTable(server, keys, "session")
        self.message = SessionTable(server, keys, "message")
        self.part = SessionTable(server, keys, "part")
        self.sandbox = HashTable(server, keys, "sandbox")
        self.setup = HashTable(server, keys, "setup")
        self.marker = RedisMarker(server, address)
        self.info = BackendInfo(
            system="redis",
            address=address.host,
            port=address.port,
            namespace=str(address.database),
            keeps_labels=True,
        )

    @classmethod
    async def open(cls, target: Target, options: RedisOptions, site: Site) -> Self:
        """Connect to the server that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the server cannot be reached or used.
        """
        address = read_address(target)
        links = Links(site.report)
        client, max_bytes = await connect(target, address, options, links)
        return cls(Server(client, options, links, max_bytes=max_bytes), address)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.server.aclose()
