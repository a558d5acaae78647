"""From a URL to a connected client, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from redis import exceptions as redis_errors
from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from storescope import BackendError
from storescope.backends._redis._connection import close, linked
from storescope.backends._redis._errors import DRIVER_ERRORS, backend_error
from storescope.backends._redis._tls import tls_arguments

if TYPE_CHECKING:
    from storescope.backends._links import Links
    from storescope.backends._options import Target

_PREFIX = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_DEFAULT_BULK = 512 * 1024 * 1024
_HEADROOM = 1024  # a message's sequence number and line breaks


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """What `redis://` and `rediss://` take, and the same for a cluster.

    Attributes:
        prefix: What every key begins with: letters, digits and `_ . / -`, at most 64.
        connect_timeout: The longest wait for a connection, in seconds.
        timeout: The longest wait for a free connection and a reply together, in seconds.
        max_connections: How many connections are open at most, to each node of a cluster.
        ssl_ca_certs: The path of the certificates to trust, instead of the system's.
        ssl_certfile: The path of the client's certificate.
        ssl_keyfile: The path of its key.
    """

    prefix: str = "storescope"
    connect_timeout: float = 2.0
    timeout: float = 5.0
    max_connections: int = 20
    ssl_ca_certs: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""


class Address(NamedTuple):
    """Where the server is, and who asks. It has a `repr` without the password."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def read_address(target: Target) -> Address:
    """Take the URL apart.

    Raises:
        BackendError: If it is not `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`.
    """
    try:
        parts = urlsplit("redis:" + target.rest)
        database = parts.path.strip("/") or "0"
        if parts.fragment or not target.rest.startswith("//") or not database.isdecimal():
            raise ValueError  # noqa: TRY301 (to the one text below)
        return Address(
            parts.hostname or "localhost",
            parts.port or 6379,
            int(database),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )
    except ValueError:
        raise BackendError(
            "a Redis URL is redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], the database a number; "
            "percent-encode what a user name or password has beyond letters and digits"
        ) from None


async def connect(target: Target, address: Address, options: RedisOptions, links: Links) -> tuple[Redis, int]:
    """Connect, and make sure that the server can be used.

    Returns:
        The client, and the longest value that the server takes, in bytes.

    Raises:
        BackendError: If it cannot be reached or used. Nothing was changed.
    """
    how = Connecting.make(target, options, links, tls=target.scheme == "rediss")
    client = how.to(address)
    try:
        async with asyncio.timeout(options.timeout):
            await _check_server(client)
            return client, await find_limit(client)
    except DRIVER_ERRORS as error:
        await close(client)
        raise explain(error, address, tls=how.tls) from None
    except BaseException:
        await close(client)
        raise


class Connecting(NamedTuple):
    """How connections are made, to whatever server.

    Attributes:
        kind: Their class.
        arguments: What it is made with, and no driver's default.
        tls: Whether they speak TLS.
    """

    kind: type[Connection]
    arguments: dict[str, Any]
    tls: bool

    @classmethod
    def make(cls, target: Target, options: RedisOptions, links: Links, *, tls: bool) -> Self:
        """Work it out from the options.

        Raises:
            BackendError: If an option cannot be used.
        """
        if not _PREFIX.fullmatch(options.prefix):
            raise BackendError("the option prefix must be 1 to 64 letters, digits and '_', '.', '/', '-'")
        arguments: dict[str, Any] = tls_arguments(options, tls=tls, scheme=target.scheme)
        arguments |= {
            "socket_connect_timeout": options.connect_timeout,
            "socket_timeout": None,  # `Server` holds the time, and the number of connections
            "socket_keepalive": True,
            "protocol": 2,
            # A second try by the driver could apply an update after a later one of somebody else.
            "retry": Retry(NoBackoff(), 0),
        }
        return cls(linked(SSLConnection if tls else Connection, links), arguments, tls)

    def to(self, address: Address) -> Redis:
        """Return a client of one server."""
        pool = ConnectionPool(
            connection_class=self.kind,
            host=address.host,
            port=address.port,
            db=address.database,
            username=address.username,
            password=address.password,
            **self.arguments,
        )
        return Redis.from_pool(pool)


async def _check_server(client: Redis) -> None:
    try:
        info: dict[str, Any] = await client.info()
    except redis_errors.NoPermissionError:  # INFO is denied to this user: go without
        await client.ping()
        return
    if info.get("cluster_enabled"):
        raise BackendError(
            "redis: this server is a node of a cluster, and redis:// speaks to a single server; use redis+cluster://"
        )
    if info.get("role") == "slave":
        raise BackendError(
            "redis: this server is a read-only replica; give the address of its primary, "
            f"{info.get('master_host')}:{info.get('master_port')}"
        )


async def find_limit(client: Redis) -> int:
    """Ask how long a value may be, in bytes; a managed server may not say."""
    try:
        config: dict[Any, Any] = await client.config_get("proto-max-bulk-len")
    except redis_errors.ResponseError:
        return _DEFAULT_BULK - _HEADROOM
    return int(config.get("proto-max-bulk-len", _DEFAULT_BULK)) - _HEADROOM


def explain(error: Exception, address: Address, *, tls: bool, kind: str = "") -> BackendError:
    """Return the one clear line for what kept a server from being opened, to be raised `from None`.

    Args:
        error: What redis-py, or the system under it, raised.
        address: The server.
        tls: Whether it was asked to speak TLS.
        kind: What stands between `redis` and the colon in such a URL's scheme.
    """
    where = f"{address.host}:{address.port}"
    schemes = {"plain": f"redis{kind}://", "tls": f"rediss{kind}://"}
    cause = error.__context__ if isinstance(error, redis_errors.ConnectionError) else None
    if not isinstance(cause, ssl.SSLError):
        reached = not isinstance(cause, _NOT_REACHED)
        return backend_error(_describe(error, reached=reached, tls=tls).format(where, **schemes), error)
    what = _UNTRUSTED if isinstance(cause, ssl.SSLCertVerificationError) else _NO_TLS
    explained = backend_error(what.format(where, **schemes), cause)
    explained.retryable = False
    return explained


def _describe(error: Exception, *, reached: bool, tls: bool) -> str:
    if isinstance(error, redis_errors.AuthenticationError):
        return "{} refuses the user name or password, or asks for one"
    if isinstance(error, redis_errors.BusyLoadingError):
        return "{} is still loading its data; try again"
    if isinstance(error, TimeoutError | redis_errors.TimeoutError):
        return "no reply from {} in time" + ("; if it speaks no TLS, use {plain}" if tls else "")
    if isinstance(error, redis_errors.ConnectionError) and reached:
        hint = "it wants a certificate of ours, look at ssl_certfile" if tls else "it speaks TLS, use {tls}"
        return "{} closed the connection and did not answer; if " + hint
    if isinstance(error, redis_errors.ConnectionError | OSError):
        return "cannot reach {}; is a server running there?"
    return "{} cannot be used"


_NOT_REACHED = (ConnectionRefusedError, TimeoutError, socket.gaierror)
_UNTRUSTED = (
    "{} has a certificate that is not trusted, or another host's; look at ssl_ca_certs and the host's name"
)
_NO_TLS = "no TLS with {}: it speaks none (then use {plain}), or refuses our certificate (look at ssl_certfile)"
