"""The residency marker in Redis: one key. No record's key has a single colon, so none can be taken for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from storescope.backends._identity import Identity
from storescope.backends._machine import is_here, machine_id

if TYPE_CHECKING:
    from storescope.backends._redis._connect import Address
    from storescope.backends._redis._server import Server


class RedisMarker:
    """The marker of one prefix.

    Args:
        server: Where it is.
        address: As it was dialled; of a cluster, the first address of its URL.
        scheme: What such a URL begins with.
    """

    def __init__(self, server: Server[Any], address: Address, *, scheme: str = "redis") -> None:
        self._server = server
        self._address = address
        self._scheme = scheme
        self._key = f"{server.prefix}:$residency"

    async def identify(self) -> Identity:
        """Return host as dialled, port and database, with TLS or not; on this machine, the machine too."""
        host = self._address.host.lower().removesuffix(".")
        shown = f"[{host}]" if ":" in host else host
        place = f"{self._scheme}://{shown}:{self._address.port}/{self._address.database}"
        return Identity(place, machine=machine_id() if is_here(host) else "")

    async def read(self) -> str | None:
        """Return the text, or None."""
        text: Any = await self._server.read(self._server.client.get, self._key)
        return None if text is None else text.decode(errors="replace")

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, over another only if told so, and return whether it was written."""
        put = partial(self._server.client.set, nx=not replace)
        return bool(await self._server.write(put, self._key, text))
