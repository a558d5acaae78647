"""Binds a socket and serves on it, in this process or in several."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import ExitStack, suppress
from functools import partial
from ssl import CERT_NONE, CERT_REQUIRED
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from storescope.apps.serve._app import application
from storescope.apps.serve._health import FOLDER_VARIABLE
from storescope.apps.serve._options import ServeError
from storescope.apps.serve._protocol import Protocol
from storescope.apps.serve._stack import check
from storescope.apps.serve._supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storescope.apps.serve._options import ServeOptions

_KEEP_ALIVE_SECONDS = 75  # longer than our client keeps a connection, so that no write meets a closing one
_BACKLOG = 2_048
_FINISH_SECONDS = 5  # over the time that a call may take
_QUIET_SECONDS, _ASK_SECONDS, _ASKS = 30, 10, 3  # a peer that is gone without a word is found in a minute


def serve(options: ServeOptions, bound: socket.socket, ready: Callable[[], None]) -> bool:
    """Serve until a signal ends it: at once after SIGINT, after `drain_seconds` after SIGTERM; calls finish.

    Args:
        options: What is served.
        bound: Where, from `bind` or `bind_unix`.
        ready: Called before the first request is taken; requests that come sooner wait.

    Returns:
        Whether it was started; if not, stderr has the one line that says why.

    Raises:
        ServeError: If the options cannot go together.
    """
    with ExitStack() as stack:
        stack.callback(bound.close)
        check(options)
        if options.workers > 1:
            os.environ[FOLDER_VARIABLE] = stack.enter_context(tempfile.TemporaryDirectory(prefix="storescope-"))
        app: Any = partial(application, options)  # made in the worker: it cannot travel there
        config = uvicorn.Config(
            app,
            factory=True,
            workers=options.workers,
            loop="asyncio",
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(options.seconds) + _FINISH_SECONDS,
            backlog=_BACKLOG,
            **_tls(options),
        )
        ready()
        return _run(config, bound)


def _run(config: uvicorn.Config, bound: socket.socket) -> bool:
    # uvicorn raises the signal that ended it once more, when all is closed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if config.workers > 1:
        supervisor = Supervisor(config, [bound])
        supervisor.run()
        return all(worker.exitcode != STARTUP_FAILURE for worker in supervisor.processes)
    server = uvicorn.Server(config)
    with suppress(SystemExit):  # it could not be started
        server.run([bound])
    return server.started


def _tls(options: ServeOptions) -> dict[str, Any]:
    tls = options.tls
    if tls is None:
        return {}
    return {
        "ssl_certfile": str(tls.cert),
        "ssl_keyfile": str(tls.key),
        "ssl_ca_certs": None if tls.client_ca is None else str(tls.client_ca),
        "ssl_cert_reqs": CERT_NONE if tls.client_ca is None else CERT_REQUIRED,
    }


def bind(host: str, port: int) -> socket.socket:
    """Bind a port, 0 for any that is free.

    Raises:
        ServeError: If it cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it each answer waits for 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit these: a peer that is gone without a word, or reads nothing, does not stay for ever.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _QUIET_SECONDS)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _ASK_SECONDS)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _ASKS)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1_000 * (_QUIET_SECONDS + _ASKS * _ASK_SECONDS))
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # here, because two sockets may be bound to a port on which none listens yet
    except (OSError, UnicodeError) as error:
        bound.close()
        why = getattr(error, "strerror", None) or "it is no host"
        raise ServeError(
            f"port {port} of {host} cannot be used: {why}; choose another with --port N, or any with --port 0"
        ) from None
    return bound


def bind_unix(path: Path) -> socket.socket:
    """Bind a Unix socket, which only its owner may connect to; one that nobody listens on any more is replaced.

    Raises:
        ServeError: If it cannot be used.
    """
    bound = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        if path.is_socket() and _is_dead(path):
            path.unlink()
        bound.bind(str(path))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise ServeError(f"{path}: the socket cannot be used: {error.strerror or error}") from None
    finally:
        os.umask(before)
    return bound


def _is_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
