"""From a URL and options to an HTTP client, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from storescope import BackendError

if TYPE_CHECKING:
    from storescope.backends._options import Target

TOKEN_VARIABLE = "STORESCOPE_TOKEN"  # noqa: S105 (its name)
# Shorter than the time after which a bridge closes an idle connection: a write must not meet a closing one.
_KEEP_SECONDS = 15.0
_URL = "storescope+http[s]://HOST[:PORT]"


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds the token
class HttpOptions:
    """What `storescope+http://` and `storescope+https://` take.

    Attributes:
        token: The bearer token; if empty, that of the environment variable STORESCOPE_TOKEN.
        connect_timeout: The longest wait for a connection, in seconds.
        timeout: The longest that a call takes, its retries included, in seconds.
        retries: How often a call is made again, where that is safe.
        max_connections: How many connections are open at most.
        socket: The path of a Unix socket to connect to, instead of the URL's host.
        ssl_ca_certs: The path of the certificates to trust, instead of the system's.
        ssl_certfile: The path of the client's certificate.
        ssl_keyfile: The path of its key.
    """

    token: str = ""
    connect_timeout: float = 2.0
    timeout: float = 10.0
    retries: int = 2
    max_connections: int = 100
    socket: str = ""
    ssl_ca_certs: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""


class Address(NamedTuple):
    """Where the server is."""

    scheme: str
    host: str
    port: int


class Served(NamedTuple):
    """What a server says of what it serves.

    Attributes:
        keeps_labels: Whether records come back whole.
        region: Where they rest; None if it does not say.
        conflict: Whether what it knows of the region does not agree.
    """

    keeps_labels: bool
    region: str | None
    conflict: bool

    @classmethod
    def read(cls, told: Any) -> Served:
        """Read what came back, and believe no more than it says."""
        known: dict[str, Any] = told if isinstance(told, dict) else {}
        region = known.get("region")
        return cls(
            keeps_labels=known.get("keepsLabels") is True,
            region=region if isinstance(region, str) and region else None,
            conflict=known.get("regionConfidence") == "conflict",
        )


def read_address(target: Target) -> Address:
    """Take the URL apart.

    Raises:
        BackendError: If it is not `storescope+http[s]://HOST[:PORT]`.
    """
    scheme = target.scheme.removeprefix("storescope+")
    try:
        parts = urlsplit(f"{scheme}:{target.rest}")
        port = parts.port or {"http": 80, "https": 443}[scheme]
    except ValueError:
        raise BackendError(f"the URL of a server is {_URL}, the port a number") from None
    if parts.username is not None or parts.password is not None:
        raise BackendError(f"the URL of a server is {_URL}; give the token with token=, or as {TOKEN_VARIABLE}")
    if not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise BackendError(f"the URL of a server is {_URL}, without a path")
    return Address(scheme, parts.hostname, port)


def connect(address: Address, options: HttpOptions) -> httpx.AsyncClient:
    """Return a client; nothing is sent yet.

    Raises:
        BackendError: If an option cannot be used.
    """
    if not (options.timeout > 0 and options.connect_timeout > 0 and options.max_connections > 0):
        raise BackendError("the options timeout, connect_timeout and max_connections must be more than 0")
    if options.retries < 0:
        raise BackendError("the option retries must be 0 or more")
    host = f"[{address.host}]" if ":" in address.host else address.host
    transport = httpx.AsyncHTTPTransport(
        verify=_tls(options, tls=address.scheme == "https"),
        limits=httpx.Limits(
            max_connections=options.max_connections,
            max_keepalive_connections=options.max_connections,
            keepalive_expiry=_KEEP_SECONDS,
        ),
        uds=options.socket or None,
    )
    return httpx.AsyncClient(
        base_url=f"{address.scheme}://{host}:{address.port}",
        headers=_authorization(options),
        timeout=httpx.Timeout(options.timeout, connect=options.connect_timeout),
        transport=transport,
        trust_env=False,  # a proxy would see the token and the records
    )


def _authorization(options: HttpOptions) -> dict[str, str]:
    token = options.token or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise BackendError(f"the token (token=, or {TOKEN_VARIABLE}) must be printable ASCII without spaces")
    return {"Authorization": f"Bearer {token}"}


def _tls(options: HttpOptions, *, tls: bool) -> ssl.SSLContext | bool:
    paths = {name: getattr(options, name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
    given = {name: path for name, path in paths.items() if path}
    if not tls:
        if given:
            raise BackendError(f"the option {next(iter(given))} is for storescope+https://")
        return True
    for name, path in given.items():
        if not Path(path).is_file():
            raise BackendError(f"the option {name} must be the path of a file; there is none")
    try:
        context = ssl.create_default_context(cafile=options.ssl_ca_certs or None)
        if options.ssl_certfile:
            # A key with a passphrase is refused here: OpenSSL would ask for it at the terminal.
            context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile or None, password=str)
    except OSError:  # SSLError is one
        raise BackendError(f"the options {', '.join(given)} must be PEM files that belong together") from None
    return context
