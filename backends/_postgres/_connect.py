"""From a URL to a pool of connections, with one clear line for each thing that can be wrong."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

import asyncpg

from storescope import BackendError
from storescope.backends._effects import check_days
from storescope.backends._postgres._errors import DRIVER_ERRORS, backend_error
from storescope.backends._postgres._migrations import check_version, migrate

if TYPE_CHECKING:
    from storescope.backends._options import Target
    from storescope.backends._postgres._server import Connection

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PORT = re.compile(r":\d+$")
_DEFAULT_PORT = 5432
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """What `postgresql://` takes.

    Attributes:
        migrate: Whether to make the tables, or bring them up to date, before anything else.
        schema: Where they are: lower-case letters, digits and `_`, at most 63.
        connect_timeout: The longest wait for a new connection, in seconds.
        timeout: The longest wait for a free connection and all replies of a call together, in seconds.
        statement_timeout: After how many seconds the server gives a statement up, locks awaited included, and
            a transaction whose client is silent; 0 leaves both to the server. Below `timeout`, so that the
            server's definite answer comes first. PgBouncer refuses it unless told to ignore it.
        max_connections: How many connections are open at most.
        effect_days: For how many days a write that came with a call id, as those of durable steps do, is known, so
            that it is not made again; 0 for not at all.
        prepared_statements: Whether statements are prepared once on each connection; not with a PgBouncer
            before 1.21 that pools by transaction.
        sslmode: As for libpq: `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`. Left empty,
            `prefer`; but `verify-full` if `sslrootcert` is given, which nothing else would look at.
        sslrootcert: The path of the certificates to trust.
        sslcert: The path of the client's certificate.
        sslkey: The path of its key.
    """

    migrate: bool = False
    schema: str = "storescope"
    connect_timeout: float = 5.0
    timeout: float = 5.0
    statement_timeout: float = 4.0
    max_connections: int = 10
    prepared_statements: bool = True
    effect_days: float = 0.0
    sslmode: str = ""
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""


class Address(NamedTuple):
    """Where the server is, without who asks.

    Attributes:
        server: As the URL has it, with the port.
        host: The host alone.
        database: The database.
        port: The port; None of several hosts, and of a Unix socket.
    """

    server: str
    host: str
    database: str
    port: int | None = None


def read_address(target: Target) -> Address:
    """Return what the URL says of where the server is.

    Raises:
        BackendError: If it is not `postgresql://[USER:PASSWORD@]HOST[:PORT]/DATABASE`.
    """
    try:
        parts = urlsplit("postgresql:" + target.rest)
        database = unquote(parts.path.strip("/"))
        if parts.fragment or not target.rest.startswith("//") or not database or "/" in database:
            raise ValueError  # noqa: TRY301 (to the one text below)
        server = unquote(parts.netloc.rpartition("@")[2]) or "localhost"
        return Address(server, _PORT.sub("", server).strip("[]"), database, _read_port(server))
    except ValueError:
        raise BackendError(
            "a Postgres URL is postgresql://[USER:PASSWORD@]HOST[:PORT]/DATABASE; "
            "percent-encode what a user name or password has beyond letters and digits"
        ) from None


def _read_port(server: str) -> int | None:
    if "," in server or server.startswith(("/", "@")):
        return None
    found = _PORT.search(server)
    return int(found[0][1:]) if found else _DEFAULT_PORT


async def connect(
    target: Target, address: Address, options: PostgresOptions, *, tenancy: str
) -> asyncpg.Pool[Any]:
    """Connect, and make sure that the database can be used; make its tables if that is asked for.

    Raises:
        BackendError: If it cannot be reached or used. Nothing was changed.
    """
    _check_options(options)
    pool: asyncpg.Pool[Any] | None = None
    try:
        async with asyncio.timeout(max(options.connect_timeout, options.timeout)):
            pool = await _make_pool(target, options)
            async with pool.acquire() as connection:
                await _check_server(connection, address)
        if options.migrate:  # as long as it takes
            await _migrate(pool, options.schema)
        async with asyncio.timeout(options.timeout), pool.acquire() as connection:
            await check_version(connection, options.schema)
            if tenancy == "required":
                await _check_isolation(connection, options.schema)
    except TimeoutError:
        _terminate(pool)
        raise BackendError(
            f"postgresql: no reply from {address.server} within {options.timeout:g} s",
            driver_error="asyncpg.TimeoutError",
            retryable=True,
        ) from None
    except (*DRIVER_ERRORS, ValueError) as error:
        _terminate(pool)
        raise _explain(error, address) from None
    except BaseException:
        _terminate(pool)
        raise
    return pool


def _check_options(options: PostgresOptions) -> None:
    if not _SCHEMA.fullmatch(options.schema):
        raise BackendError("the option schema must be 1 to 63 lower-case letters, digits and '_'")
    if options.sslmode and options.sslmode not in _MODES:
        raise BackendError(f"the option sslmode must be one of {', '.join(_MODES)}")
    for name in ("sslrootcert", "sslcert", "sslkey"):
        if getattr(options, name) and not Path(getattr(options, name)).is_file():
            raise BackendError(f"the option {name} must be the path of a file; there is none")
    if options.max_connections < 1:
        raise BackendError("the option max_connections must be 1 or more")
    check_days(options.effect_days)
    if min(options.timeout, options.connect_timeout) <= 0 or options.statement_timeout < 0:
        raise BackendError("the time-outs must be above 0 seconds; statement_timeout may be 0")


async def _make_pool(target: Target, options: PostgresOptions) -> asyncpg.Pool[Any]:
    tls = {name: getattr(options, name) for name in ("sslrootcert", "sslcert", "sslkey")}
    tls["sslmode"] = options.sslmode or ("verify-full" if options.sslrootcert else "prefer")
    settings = {"application_name": "storescope"}
    if options.statement_timeout:
        milliseconds = str(round(options.statement_timeout * 1000))
        settings |= dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), milliseconds)
    return await asyncpg.create_pool(
        f"postgresql:{target.rest}?" + urlencode({name: value for name, value in tls.items() if value}),
        min_size=0,  # else a task of asyncpg's would log the driver's texts whenever it finds the server gone
        max_size=options.max_connections,
        timeout=options.connect_timeout,
        statement_cache_size=100 if options.prepared_statements else 0,
        server_settings=settings,
        reset=_keep,
    )


async def _keep(connection: Any) -> None:
    """Spare the round trip that resets a connection on its way back: no setting outlives its transaction."""


async def _check_server(connection: Connection, address: Address) -> None:
    row: Any = await connection.fetchrow(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('server_encoding')"
    )
    replica, read_only, encoding = row
    if replica:
        raise BackendError(f"postgresql: {address.server} is a read-only replica; give the address of its primary")
    if read_only == "on":
        raise BackendError(
            "postgresql: this role or database is read-only (default_transaction_read_only); storage has to write"
        )
    if encoding != "UTF8":
        raise BackendError("postgresql: the database's encoding must be UTF8; create it with ENCODING 'UTF8'")


async def _check_isolation(connection: Connection, schema: str) -> None:
    """Say so if row-level security does not hold this role. Every statement names the tenant all the same."""
    if not await connection.fetchval(f"SELECT row_security_active('{schema}.records')"):
        logging.getLogger("storescope").warning(
            "postgresql: row-level security does not hold this role, a superuser or one with BYPASSRLS; "
            "connect as a role without either, so that the database keeps tenants apart too"
        )


async def _migrate(pool: asyncpg.Pool[Any], schema: str) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")  # another process may be at it
        try:
            await migrate(connection, schema)
        finally:
            await connection.execute("RESET statement_timeout")


def _terminate(pool: asyncpg.Pool[Any] | None) -> None:
    if pool is not None:
        pool.terminate()


_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.InvalidPasswordError, "{host} refuses the user name or password"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "{host} refuses this user, or a connection without TLS; look at the user name and at sslmode",
    ),
    (asyncpg.InvalidCatalogNameError, "{host} has no database of this name; create it, or correct the URL"),
    (asyncpg.CannotConnectNowError, "{host} is starting up or shutting down; try again"),
    (asyncpg.TooManyConnectionsError, "{host} has no connection left; lower max_connections or raise its limit"),
    (asyncpg.InsufficientPrivilegeError, "this role lacks a privilege; see 'Postgres' in docs/backends.md"),
    (ssl.SSLError, "no TLS with {host}: its certificate or ours is refused; look at sslmode and sslrootcert"),
    (
        asyncpg.ClientConfigurationError,
        "the URL or a TLS file cannot be used; sslmode verify-ca and verify-full want an sslrootcert",
    ),
    (FileNotFoundError, "a file of the TLS options is missing, or the socket of {host}"),
    (asyncpg.PostgresError, "{host} cannot be used"),
    (asyncpg.InterfaceError, "{host} cannot be used"),
    (ValueError, "the URL cannot be used"),
)

_OURS = (ssl.SSLError, asyncpg.ClientConfigurationError, ValueError)  # nothing but another option helps


def _explain(error: Exception, address: Address) -> BackendError:
    if isinstance(error, ConnectionError) and "SSL" in str(error):  # asyncpg's own text has no error of its own
        what, ours = "{host} speaks no TLS, and sslmode asks for it", True
    else:
        what = next(
            (text for kind, text in _CAUSES if isinstance(error, kind)),
            "cannot reach {host}; is a server running there?",
        )
        ours = isinstance(error, _OURS)
    explained = backend_error(what.format(host=address.server), error)
    explained.retryable = explained.retryable and not ours
    return explained
