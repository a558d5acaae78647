"""uvicorn's HTTP/1.1, which h11 parses strictly, with an end to connections that never send a whole head."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from storescope.apps.serve._request import CERTIFICATE, WHOLE

if TYPE_CHECKING:
    import asyncio
    from ssl import SSLObject

HEAD_SECONDS = 20.0
"""How long the head of a request may take, from when the connection is made or the head begins to arrive."""


class Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Connection(h11.SERVER)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own
        """Begin to wait. What is known of the client goes with each of its requests."""
        super().connection_made(transport)
        tls: SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        if certificate is not None:
            self.app_state = {**self.app_state, CERTIFICATE: sha256(certificate).hexdigest()}
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on; wait if what came is not a whole head, since uvicorn ends its own wait with the first byte."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            if not self.cycle.more_body:  # mostly; its task has not run yet, and can do without a timer
                self.cycle.scope.setdefault("state", {})[WHOLE] = True
        elif self._head_timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close_without_head)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_without_head(self) -> None:
        self._head_timer = None
        self.transport.close()


class _Connection(h11.Connection):
    """Gives out the head of an answer together with its body, so that both go out in one write and one packet."""

    def __init__(self, role: type[h11.SERVER]) -> None:
        super().__init__(role)
        self._head = b""

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override] # it is overloaded
        """Return what is to be sent now."""
        made = super().send(event)
        if made is None:
            return None
        if isinstance(event, h11.Response):
            self._head = made
            return b""
        head, self._head = self._head, b""
        return head + made
