"""The names of the loopback. A web page may have its own name lead there, so that a request's Host matters."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names by which it may be asked."""


@lru_cache(maxsize=256)
def host_of(url: str) -> str | None:
    """Return a URL's host, in lower case; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
