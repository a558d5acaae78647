"""The residency marker in Postgres: the one row of a table, which the application need not be able to write."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import asyncpg

from storescope import BackendError
from storescope.backends._identity import Identity
from storescope.backends._machine import is_here, machine_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends._options import Target
    from storescope.backends._postgres._connect import Address
    from storescope.backends._postgres._server import Connection, Server

_PORT = re.compile(r":(\d+)$")
_CLOSED = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError, asyncpg.FeatureNotSupportedError)


class PostgresMarker:
    """The marker of one schema."""

    def __init__(self, server: Server, target: Target, address: Address) -> None:
        self._server = server
        self._target = target
        self._address = address
        self._table = f"{server.schema}.residency_marker"

    async def identify(self) -> Identity:
        """Return hosts as dialled, ports and database, and the cluster's id if this role may read it.

        Raises:
            BackendError: If the URL names no host, or the server fails.
        """
        hosts = [_with_port(host) for host in self._dialled().split(",")]
        place = f"postgresql://{','.join(hosts)}/{self._address.database}"
        local = any(is_here(_PORT.sub("", host).strip("[]")) for host in hosts)
        return Identity(place, machine=machine_id() if local else "", cluster=await self._cluster())

    async def read(self) -> str | None:
        """Return the text, or None."""
        return await self._server.read("", self._allowed("read", f"SELECT marker FROM {self._table}"))

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, over another only if told so, and return whether it was written."""
        then = "UPDATE SET marker = excluded.marker" if replace else "NOTHING"
        put = f"INSERT INTO {self._table} (marker) VALUES ($1) ON CONFLICT (one) DO {then} RETURNING true"
        return bool(await self._server.write("", self._allowed("write", put, text)))

    def _dialled(self) -> str:
        server = unquote(urlsplit("postgresql:" + self._target.rest).netloc.rpartition("@")[2])
        if not server:
            raise BackendError(
                "postgresql: the URL names no host, so the environment says where it leads (PGHOST); "
                "name one, for a residency marker to be bound to"
            )
        return server

    async def _cluster(self) -> str:
        async def ask(connection: Connection) -> str:
            try:
                return str(await connection.fetchval("SELECT system_identifier FROM pg_control_system()"))
            except _CLOSED:
                return ""

        return await self._server.read("", ask)

    def _allowed(self, doing: str, statement: str, *args: Any) -> Callable[[Connection], Awaitable[Any]]:
        """Return a job that says what is missing if this role may not run the statement."""

        async def run(connection: Connection) -> Any:
            try:
                return await connection.fetchval(statement, *args)
            except asyncpg.InsufficientPrivilegeError:
                needs = (
                    f"GRANT SELECT ON {self._table}" if doing == "read" else "use the role that owns the tables"
                )
                raise BackendError(
                    f"postgresql: this role may not {doing} the residency marker; {needs}, "
                    "see 'Postgres' in docs/backends.md",
                    driver_error="asyncpg.InsufficientPrivilegeError:42501",
                ) from None

        return run


def _with_port(host: str) -> str:
    """Return a host with the port that asyncpg dials if the URL gives none."""
    host = host if host.startswith("/") else host.lower()
    return host if _PORT.search(host) else f"{host}:{os.environ.get('PGPORT') or 5432}"
