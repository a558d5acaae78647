"""`redis+cluster://` and `rediss+cluster://`: a Redis Cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendInfo
from storescope.backends._links import Links
from storescope.backends._redis._connect import RedisOptions
from storescope.backends._redis._keys import SlotKeys
from storescope.backends._redis._marker import RedisMarker
from storescope.backends._redis._tables import HashTable
from storescope.backends._redis_cluster._connect import connect, read_addresses
from storescope.backends._redis_cluster._records import SpreadTable
from storescope.backends._redis_cluster._server import ClusterServer

if TYPE_CHECKING:
    from storescope.backends._options import Target
    from storescope.backends._redis._connect import Address
    from storescope.backends._tables import Site


class RedisClusterEngine:
    """The tables of one cluster, under one prefix."""

    Options: ClassVar = RedisOptions

    def __init__(self, server: ClusterServer, addresses: list[Address]) -> None:
        self._server = server
        keys = SlotKeys(server.prefix)
        self.session = HashTable(server, keys, "session")
        self.message = SpreadTable(server, keys, "message")
        self.part = SpreadTable(server, keys, "part")
        self.sandbox = HashTable(server, keys, "sandbox")
        self.setup = HashTable(server, keys, "setup")
        self.marker = RedisMarker(server, addresses[0], scheme="redis+cluster")
        first, *others = addresses
        self.info = BackendInfo(
            system="redis",
            # As Postgres has it: the first port stands apart, the others with their hosts.
            address=",".join([first.host, *(f"{other.host}:{other.port}" for other in others)]),
            port=first.port,
            namespace="0",
            keeps_labels=True,
        )

    @classmethod
    async def open(cls, target: Target, options: RedisOptions, site: Site) -> Self:
        """Connect to the cluster that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the cluster cannot be reached or used.
        """
        addresses = read_addresses(target)
        links = Links(site.report)
        client, max_bytes = await connect(target, addresses, options, links)
        return cls(ClusterServer(client, options, links, max_bytes=max_bytes), addresses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()
