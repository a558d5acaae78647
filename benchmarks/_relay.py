"""A relay in front of a server that counts round trips: how often the client speaks after the server has."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_CHUNK = 65_536


class Relay:
    """Passes everything on.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        trips: The round trips of all connections so far.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.trips = 0
        self._server_port = server_port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side closes it."""
        asks = False

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_client: bool) -> None:
            nonlocal asks
            with suppress(ConnectionError):
                while data := await source.read(_CHUNK):
                    if is_client and not asks:
                        self.trips += 1
                    asks = is_client
                    sink.write(data)
                    await sink.drain()
            sink.close()

        to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        with suppress(asyncio.CancelledError):  # the loop's end; the streams' own callback would log it
            await asyncio.gather(
                pass_on(reader, to_server[1], is_client=True), pass_on(to_server[0], writer, is_client=False)
            )


@asynccontextmanager
async def relayed(server_port: int) -> AsyncGenerator[Relay]:
    """Stand in front of a server of this machine."""
    relay = Relay(server_port)
    listening = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield relay
