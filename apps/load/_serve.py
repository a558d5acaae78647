"""Metrics over HTTP while a load runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from storescope.apps.load._errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Generator

    from prometheus_client import CollectorRegistry

HOST = "127.0.0.1"


@contextmanager
def serving(registry: CollectorRegistry, port: int) -> Generator[str]:
    """Serve a registry on 127.0.0.1; yields the URL.

    Args:
        registry: What is served.
        port: Where; 0 takes a free one.

    Raises:
        LoadError: If it cannot be served there.
    """
    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry)
    except OSError as error:
        raise LoadError(f"metrics cannot be served on {HOST}:{port}: {error.strerror}") from None
    try:
        yield f"http://{HOST}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
