"""Runs the viewer on one port of the loopback."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import uvicorn

from storescope.apps.view._app import application
from storescope.apps.view._schema import ViewError
from storescope.apps.view._sources import Options, Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType, TracebackType

HOST = "127.0.0.1"
_STOP_SECONDS = 2  # for answers that are being sent
_LOOK_SECONDS = 0.1


class Viewer:
    """A viewer with its port bound, which serves from `run` on.

    Attributes:
        url: Where it is.
    """

    def __init__(self, port: int, options: Options) -> None:
        """Bind the port and open what is shown.

        Args:
            port: The port; 0 for any that is free.
            options: What else it is started with.

        Raises:
            ViewError: If the port is taken or must not be used, or spans cannot be kept.
            AuditError: If the audit folder or key cannot be read.
        """
        self._socket = _bind(port)
        try:
            self._sources = Sources(options)
        except BaseException:
            self._socket.close()
            raise
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            application(self._sources),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _Server(config)
        self._thread: threading.Thread | None = None

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until a signal or `close` ends it.

        Args:
            ready: Called once signals end it as they should.
        """
        self._server.ready = ready
        self._server.run(sockets=[self._socket])

    def start(self) -> Self:
        """Serve from a thread, until `close`; requests that come at once wait for it."""
        self._thread = threading.Thread(target=self.run, name="storescope-view", daemon=True)
        self._thread.start()
        return self

    def wait(self, ready: Callable[[], None]) -> None:
        """Wait, after `start`, until a signal ends it.

        Args:
            ready: Called once signals end it as they should.
        """
        self._server.ready = ready
        with self._server.capture_signals():
            while not self._server.should_exit:
                time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Stop serving and close everything."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
        self._sources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(uvicorn.Server):
    """Ends quietly on a signal, so that what is open is closed; the original raises the signal again."""

    ready: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(_: int, __: FrameType | None) -> None:
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.ready()
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _bind(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it each answer waits for 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen()  # here, because two sockets may be bound to a port on which none listens yet
    except OSError as error:
        bound.close()
        raise ViewError(
            f"port {port} of {HOST} cannot be used: {error.strerror}; "
            "choose another with --port N, or any free one with --port 0"
        ) from None
    return bound
