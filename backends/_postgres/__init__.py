"""`postgresql://`: one Postgres database."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from storescope import BackendInfo
from storescope.backends._postgres._connect import Address, PostgresOptions, connect, read_address
from storescope.backends._postgres._effects import PostgresEffects
from storescope.backends._postgres._marker import PostgresMarker
from storescope.backends._postgres._server import Server
from storescope.backends._postgres._tables import PostgresTable

if TYPE_CHECKING:
    from storescope.backends._options import Target
    from storescope.backends._tables import Site


class PostgresEngine:
    """The records of one schema."""

    Options: ClassVar = PostgresOptions

    def __init__(self, server: Server, target: Target, address: Address, effects: PostgresEffects) -> None:
        self.server = server
        self.session = PostgresTable("session", server, effects)
        self.message = PostgresTable("message", server, effects, in_session=True)
        self.part = PostgresTable("part", server, effects, in_session=True)
        self.sandbox = PostgresTable("sandbox", server, effects)
        self.setup = PostgresTable("setup", server, effects)
        self.marker = PostgresMarker(server, target, address)
        self.info = BackendInfo(
            system="postgresql",
            address=address.host,
            port=address.port,
            namespace=f"{address.database}|{server.schema}",  # as OpenTelemetry's conventions join the two
            keeps_labels=True,
        )

    @classmethod
    async def open(cls, target: Target, options: PostgresOptions, site: Site) -> Self:
        """Connect to the database that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the database cannot be reached or used.
        """
        address = read_address(target)
        pool = await connect(target, address, options, tenancy=site.tenancy)
        server = Server(pool, options, site.report)
        return cls(server, target, address, PostgresEffects(server, options.effect_days))

    async def aclose(self) -> None:
        """Close the connections."""
        await self.server.aclose()
