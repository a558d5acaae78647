"""`dynamodb://`: one DynamoDB table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendInfo
from storescope.backends._dynamodb._calls import Calls
from storescope.backends._dynamodb._connect import DynamoOptions, connect
from storescope.backends._dynamodb._connection import DynamoLinks
from storescope.backends._dynamodb._marker import DynamoMarker
from storescope.backends._dynamodb._server import Server
from storescope.backends._dynamodb._sessions import SessionTable
from storescope.backends._dynamodb._tables import RecordTable

if TYPE_CHECKING:
    from storescope.backends._dynamodb._connect import Connected
    from storescope.backends._options import Target
    from storescope.backends._tables import Site


class DynamoEngine:
    """The records of one table."""

    Options: ClassVar = DynamoOptions

    def __init__(self, connected: Connected, options: DynamoOptions, links: DynamoLinks) -> None:
        self._server = server = Server(connected, options, links)
        calls = Calls(connected.client, connected.place.table)
        self.session = RecordTable("session", server, calls)
        self.message = SessionTable("message", server, calls)
        self.part = SessionTable("part", server, calls)
        self.sandbox = RecordTable("sandbox", server, calls)
        self.setup = RecordTable("setup", server, calls)
        self.marker = DynamoMarker(server, calls, connected.place)
        self.info = BackendInfo(
            system="aws.dynamodb",
            address=connected.place.host,
            port=connected.place.port,
            namespace=connected.place.table,
            region=connected.place.region,
            keeps_labels=True,
        )

    @classmethod
    async def open(cls, target: Target, options: DynamoOptions, site: Site) -> Self:
        """Connect to the table that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the table cannot be reached or used.
        """
        links = DynamoLinks(site.report)
        return cls(await connect(target, options, site, links), options, links)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()
