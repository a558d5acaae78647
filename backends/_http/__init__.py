"""`storescope+http://`: handlers that are served elsewhere, by `storescope serve` or in another language."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from storescope import BackendError, BackendInfo
from storescope.backends._http._client import Client
from storescope.backends._http._connect import HttpOptions, connect, read_address
from storescope.backends._http._tables import HttpTable

if TYPE_CHECKING:
    from storescope.backends._http._connect import Served
    from storescope.backends._identity import Identity
    from storescope.backends._options import Target
    from storescope.backends._tables import Site


class HttpMarker:
    """None: a marker is bound to where the data rests, and that is behind the server."""

    async def identify(self) -> Identity:
        """Refuse.

        Raises:
            BackendError: Always.
        """
        self._refuse()

    async def read(self) -> str | None:
        """Refuse, as `identify` does."""
        self._refuse()

    async def write(self, text: str, *, replace: bool) -> bool:  # noqa: ARG002 (it needs neither)
        """Refuse, as `identify` does."""
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise BackendError("storescope+http: holds no residency marker; mark the store itself, or declare region=")


class HttpEngine:
    """What one server offers."""

    Options: ClassVar = HttpOptions

    def __init__(self, client: Client, served: Served, host: str, port: int) -> None:
        self._client = client
        self.session = HttpTable(client, "session")
        self.message = HttpTable(client, "message")
        self.part = HttpTable(client, "part")
        self.sandbox = HttpTable(client, "sandbox")
        self.setup = HttpTable(client, "setup")
        self.marker = HttpMarker()
        self.info = BackendInfo(
            system="storescope",
            address=host,
            port=port,
            region=served.region,
            region_confidence="conflict" if served.conflict else "declared",
            keeps_labels=served.keeps_labels,
        )

    @classmethod
    async def open(cls, target: Target, options: HttpOptions, site: Site) -> Self:
        """Ask the server what it serves.

        Raises:
            BackendError: If the URL or an option is malformed, the server cannot be reached or refuses the token.
        """
        address = read_address(target)
        client = Client(connect(address, options), options, site.report)
        try:
            served = await client.ask()
        except BaseException:
            await client.aclose()
            raise
        return cls(client, served, address.host, address.port)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
