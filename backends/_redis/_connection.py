"""redis-py's connections, which also count themselves, tell a call what was sent, and can be renewed together."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from storescope.backends._redis._errors import DRIVER_ERRORS

if TYPE_CHECKING:
    from redis.asyncio import Connection, Redis

    from storescope.reports import BackendReport


class Attempt:
    """What has become of a call's command.

    Attributes:
        sent: Whether it was handed to a connection: what happens then without an answer leaves its fate open.
        generation: That connection's.
    """

    __slots__ = ("generation", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.generation = 0


ATTEMPT: ContextVar[Attempt] = ContextVar("storescope.redis.attempt", default=Attempt())  # noqa: B039 (nobody's)
"""The call that this task is in."""


class Links:
    """All connections of one client.

    Attributes:
        report: Where they are counted.
        generation: Connections of an older one are made anew before they are used.
    """

    def __init__(self, report: BackendReport) -> None:
        self.report = report
        self.generation = 0

    def renew(self, generation: int) -> None:
        """Trust none any more that is as old as one which failed. Of many that fail together, the first counts."""
        if generation == self.generation:
            self.generation += 1


def linked(kind: type[Connection], links: Links) -> type[Connection]:
    """Return a class of connection that belongs to `links`."""

    class LinkedConnection(kind):  # type: ignore[valid-type, misc] # one of redis-py's two
        _ready = False  # connected, and greeted
        _generation = 0

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.register_connect_callback(self._greeted)

        async def connect(self) -> None:
            # redis-py sees by itself that the server has closed a connection, and not that it was reset.
            writer = self._writer
            if writer is not None and (self._generation != links.generation or writer.is_closing()):
                await self.disconnect(nowait=True)
            await super().connect()

        async def _greeted(self, _: Any) -> None:
            self._generation = links.generation
            if not self._ready:
                self._ready = True
                links.report.add("connections_open")

        async def disconnect(self, *args: Any, **kwargs: Any) -> None:
            if self._ready:
                self._ready = False
                links.report.add("connections_open", -1)
            await super().disconnect(*args, **kwargs)

        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            if self._ready:  # else it greets, and the call's own command comes later
                attempt = ATTEMPT.get()
                attempt.sent = True
                attempt.generation = self._generation
            await super().send_packed_command(*args, **kwargs)

    return LinkedConnection


async def close(client: Redis) -> None:
    """Close the client's connections. One whose server is silent is not waited for, and is no error."""
    with suppress(*DRIVER_ERRORS):
        await client.aclose()
