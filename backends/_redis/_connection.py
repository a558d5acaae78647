"""redis-py's connections, which also count themselves, tell a call what was sent, and can be renewed together."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.backends._redis._errors import DRIVER_ERRORS

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from redis.asyncio import Connection, Redis, RedisCluster

    from storescope.backends._links import Links


Client: TypeAlias = "Redis | RedisCluster"


class Attempt:
    """What has become of a call's commands.

    Attributes:
        sent: Whether the last one was handed to a connection: without an answer its fate is then open.
        generation: That connection's.
        harmless: Whether it changes nothing that a reader sees.
        applied: Whether one before it may have.
    """

    __slots__ = ("applied", "generation", "harmless", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.generation = 0
        self.harmless = False
        self.applied = False

    def may_have_written(self, *, answered: bool = False) -> bool:
        """Return whether a call that writes may have, now that its last command failed, answered or not."""
        return self.applied or (self.sent and not self.harmless and not answered)


ATTEMPT: ContextVar[Attempt] = ContextVar("storescope.redis.attempt", default=Attempt())  # noqa: B039 (nobody's)
"""The call that this task is in."""


def linked(kind: type[Connection], links: Links) -> type[Connection]:  # noqa: C901 (a class of short methods)
    """Return a class of connection that belongs to `links`."""

    class LinkedConnection(kind):  # type: ignore[valid-type, misc] # one of redis-py's two
        _ready = False  # connected, and greeted
        _generation = 0

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.register_connect_callback(self._greeted)

        async def connect(self) -> None:
            if self._is_stale():
                await self.disconnect(nowait=True)
            await super().connect()

        def _is_stale(self) -> bool:
            old = self._generation != links.generation
            return self._ready and (old or _has_ended(self._reader, self._writer))

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
            # A pool connects before it hands out a connection; a cluster's node leaves that to the first command.
            if not self.is_connected or self._is_stale():
                await self.connect()
            if self._ready:  # else it greets, and the call's own command comes later
                attempt = ATTEMPT.get()
                attempt.sent = True
                attempt.generation = self._generation
            await super().send_packed_command(*args, **kwargs)

    return LinkedConnection


def _has_ended(reader: StreamReader | None, writer: StreamWriter | None) -> bool:
    """Return whether the server has closed a connection, or it was reset.

    redis-py's pool sees the first by itself, and not the second; a cluster's node neither.
    """
    return reader is None or writer is None or writer.is_closing() or reader.at_eof()


async def close(client: Client) -> None:
    """Close the client's connections. One whose server is silent is not waited for, and is no error."""
    with suppress(*DRIVER_ERRORS):
        await client.aclose()
