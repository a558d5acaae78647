"""A request's body: within a size, within a time, and within what all bodies together may take of the memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from storescope.apps.serve._refusal import Refusal, too_large
from storescope.backends._wire import EXACT, JSON, MAX_BODY_BYTES

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import Receive

    from storescope.apps.serve._request import Headers, Request

BODY_SECONDS = 20.0
"""How long a body may take to arrive."""

MOST_BYTES = 32 * MAX_BODY_BYTES
"""Of all bodies in memory at once, in one process."""

_DRAIN_SECONDS = 5.0
_MOST_DRAINED_BYTES = 4 * MAX_BODY_BYTES
_CLOSE = {"connection": "close"}


class Bodies:
    """Reads bodies, and counts what they take while their requests are served."""

    def __init__(self) -> None:
        self._bytes = 0

    def room(self) -> Room:
        """Return what one request may read into, for a `with` block; at its end it is given back."""
        return Room(self)

    def take(self, size: int) -> None:
        """Count bytes that arrive.

        Raises:
            Refusal: If they are too many for all requests together.
        """
        if self._bytes + size > MOST_BYTES:
            raise Refusal("overloaded", "the requests that are being served hold too many bytes", _CLOSE)
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Count bytes that nobody needs any more."""
        self._bytes -= size


class Room:
    """One request's share.

    Attributes:
        bytes: How much it holds.
    """

    __slots__ = ("_bodies", "bytes")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bodies.give_back(self.bytes)

    async def read(self, request: Request) -> tuple[bytes, bool]:
        """Return a body, and whether it came as `EXACT`.

        Raises:
            Refusal: If it is of another media type, too large, or too slow.
        """
        headers, receive = request.headers, request.receive
        exact = _is_exact(headers)
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES:
            await _let_finish(receive)
            raise too_large()
        if request.whole:
            return await self._arrive(receive), exact
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._arrive(receive), exact
        except TimeoutError:
            raise Refusal("slow-body", f"the body did not arrive within {BODY_SECONDS:g} s", _CLOSE) from None

    async def _arrive(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Refusal("malformed", "the sender went away")  # nobody reads it
            part = message.get("body", b"")
            self._bodies.take(len(part))
            self.bytes += len(part)
            if self.bytes > MAX_BODY_BYTES:
                await _let_finish(receive)
                raise too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)


def _is_exact(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, EXACT}:  # a web page can send what it likes, but not this without asking first
        raise Refusal("media-type", f"Content-Type must be {JSON} or {EXACT}")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal("media-type", "a body must not be packed: leave Content-Encoding out")
    return kind == EXACT


async def _let_finish(receive: Receive) -> None:
    """Read on, within bounds: who is still sending when the connection is closed never sees the answer."""
    left = _MOST_DRAINED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
