"""A connected server: its commands, one at a time on each connection, each call within its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from redis import exceptions as redis_errors

from storescope import BackendError
from storescope.backends._redis._connection import ATTEMPT, Attempt, close
from storescope.backends._redis._errors import DRIVER_ERRORS, backend_error, is_answer, is_stale
from storescope.backends._scan import bad_cursor
from storescope.backends._turns import Turn, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis, RedisCluster

    from storescope.backends._links import Links
    from storescope.backends._redis._connect import RedisOptions


_POSITION_DIGITS = 20  # of a 64-bit integer

ClientT = TypeVar("ClientT", bound="Redis | RedisCluster")


class Server(Generic[ClientT]):
    """What every table needs.

    The limits on time and on connections are held here: redis-py's own, `socket_timeout` and
    `BlockingConnectionPool`, cost 60 us more for each command (Python 3.11, redis-py 8.1).

    Attributes:
        client: The client, whose commands are given to `read` and `write`.
        prefix: What every key begins with.
        max_bytes: The longest value that the server takes.
        report: Where retries, conflicts and connections are counted.
    """

    def __init__(self, client: ClientT, options: RedisOptions, links: Links, *, max_bytes: int) -> None:
        self.client = client
        self.prefix = options.prefix
        self.max_bytes = max_bytes
        self.report = links.report
        self._links = links
        self._timeout = options.timeout
        self._turns = Turns(options.max_connections, options.timeout, self.report)

    def read(self, command: Callable[..., Awaitable[Any]], *args: Any) -> Awaitable[Any]:
        """Run a command that only reads. If the connection fails on the way, it is sent once more on another."""
        return self._run(command, args, writes=False)

    def write(self, command: Callable[..., Awaitable[Any]], *args: Any) -> Awaitable[Any]:
        """Run a command or script that writes. It is never sent twice: that could undo a later write.

        Several steps may stand together as one command: they share one turn and one time.

        Raises:
            BackendError: If it fails, or waits too long for a free connection and the reply.
        """
        return self._run(command, args, writes=True)

    async def scan(self, pattern: str, cursor: str | None, limit: int) -> tuple[list[bytes], str | None]:
        """Return some of the keys that match a pattern, and the cursor of the rest; None at the end.

        Raises:
            InvalidRecordError: If the cursor is none that it gave.
        """
        position, keys = await self.read(self.client.scan, read_position(cursor), pattern, limit)
        return keys, str(position) if position else None

    async def aclose(self) -> None:
        """Close the connections."""
        await close(self.client)
        self.report.end()

    async def _run(self, command: Callable[..., Awaitable[Any]], args: tuple[Any, ...], *, writes: bool) -> Any:
        attempt = Attempt()
        ATTEMPT.set(attempt)
        try:
            with Turn(self._turns) as turn:
                if turn.waits:
                    await turn.comes()
                return await (command(*args) if writes else self._try_twice(attempt, command, args))
        except TimeoutError:
            self._distrust(attempt)
            raise BackendError(
                f"redis: no reply within {self._timeout:g} s",
                driver_error="redis.TimeoutError",
                retryable=True,
                maybe_applied=writes and attempt.may_have_written(),
            ) from None
        except DRIVER_ERRORS as error:
            if is_stale(error):
                self._distrust(attempt)
            what = "a command failed" if attempt.sent else "cannot connect"
            applied = writes and attempt.may_have_written(answered=is_answer(error))
            raise backend_error(what, error, applied=applied) from None

    async def _try_twice(
        self, attempt: Attempt, command: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> Any:
        try:
            return await command(*args)
        except (redis_errors.ConnectionError, OSError):
            self.report.add("retries")
        self._distrust(attempt)
        await self._look_again()
        attempt.sent = False
        return await command(*args)

    async def _look_again(self) -> None:
        """Find out, before a read is sent again, where it has to go now."""

    def _distrust(self, attempt: Attempt) -> None:
        """Use no connection again that is as old as this call's: it most likely ends nowhere too.

        To wait for each in its turn would take as many time-outs as there are connections.
        """
        if attempt.sent:
            self._links.renew(attempt.generation)


def read_position(cursor: str | None) -> int:
    """Return the position for SCAN that a cursor holds.

    Raises:
        InvalidRecordError: If it holds none.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _POSITION_DIGITS):
        raise bad_cursor()
    if (position := int(cursor)) >> 64:
        raise bad_cursor()
    return position
