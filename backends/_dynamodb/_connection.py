"""The client's connections, which can be renewed together, and what its event hooks see of each call."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from aiobotocore.httpsession import AIOHTTPSession

from storescope.backends._dynamodb._errors import never_reached
from storescope.backends._links import Links

if TYPE_CHECKING:
    from types import TracebackType


_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_SERVER_FAULT = 500


class Attempt:
    """What has become of a call's requests.

    Attributes:
        sent: Whether a write was sent that no definite answer came to.
        generation: That of the connections that were used last.
    """

    __slots__ = ("generation", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.generation = 0


ATTEMPT: ContextVar[Attempt] = ContextVar("storescope.dynamodb.attempt", default=Attempt())  # noqa: B039 (nobody's)
"""The call that this task is in."""


class DynamoLinks(Links):
    """All connections of one client, and what its event hooks do."""

    def watch(self, events: Any) -> None:
        """See what is sent and answered, and keep the SDK from sending a write twice whose fate is open."""
        for operation in _WRITES:
            events.register(f"before-send.dynamodb.{operation}", self._sending)
            events.register(f"response-received.dynamodb.{operation}", self._answered)
        events.register_first("needs-retry.dynamodb", self._may_retry)

    def _sending(self, **_: Any) -> None:
        ATTEMPT.get().sent = True

    def _answered(self, *, response_dict: Any, exception: Any, **_: Any) -> None:
        answered = response_dict is not None and response_dict["status_code"] < _SERVER_FAULT
        if answered or never_reached(exception):
            ATTEMPT.get().sent = False

    def _may_retry(self, *, attempts: int, operation: Any, **_: Any) -> bool | None:
        """Say False to a write whose fate is open: to send it again could undo a later one of somebody else."""
        if attempts > 1:
            self.report.add("retries")
        return False if operation.name in _WRITES and ATTEMPT.get().sent else None


def linked(links: Links) -> type[AIOHTTPSession]:
    """Return a class of aiobotocore's HTTP sessions whose connections `links` can renew."""

    class LinkedSession(AIOHTTPSession):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._make = partial(AIOHTTPSession, **options)
            self._generations: dict[int, AIOHTTPSession] = {}

        async def send(self, request: Any) -> Any:
            ATTEMPT.get().generation = generation = links.generation
            session = self._generations.get(generation)
            if session is None:
                session = self._generations[generation] = await self._make().__aenter__()
                await self._close_before(generation - 1)  # the one before may still have calls under way
            return await session.send(request)

        async def _close_before(self, generation: int) -> None:
            for old in [number for number in self._generations if number < generation]:
                await self._generations.pop(old).close()

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            await self._close_before(links.generation + 1)
            await super().__aexit__(kind, error, trace)

    return LinkedSession
