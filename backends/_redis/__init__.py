"""`redis://` and `rediss://`: one Redis server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendInfo
from storescope.backends._redis._connect import Address, RedisOptions, connect, read_address
from storescope.backends._redis._scripts import Scripts
from storescope.backends._redis._tables import Connected, HashTable, SessionTable, TextTable

if TYPE_CHECKING:
    from storescope.backends._options import Target


class RedisEngine:
    """The tables of one server, under one prefix."""

    Options: ClassVar = RedisOptions

    def __init__(self, connected: Connected, address: Address) -> None:
        self._client = connected.client
        self.session = HashTable(connected, "session")
        self.message = SessionTable(connected, "message")
        self.part = SessionTable(connected, "part")
        self.sandbox = HashTable(connected, "sandbox")
        self.setup = TextTable(connected, "setup")
        self.info = BackendInfo(
            system="redis", address=address.host, namespace=str(address.database), keeps_labels=True
        )

    @classmethod
    async def open(cls, target: Target, options: RedisOptions) -> Self:
        """Connect to the server that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the server cannot be reached or used.
        """
        address = read_address(target)
        client, max_bytes = await connect(target, address, options)
        return cls(Connected(client, Scripts(client), options.prefix, max_bytes), address)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
