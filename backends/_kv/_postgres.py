"""`postgresql://`: one table of one schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from storescope.backends._kv._engine import (
    ABSENT,
    ANY,
    Entry,
    Listed,
    Page,
    conflict,
    new_version,
    page_of,
    range_end,
)
from storescope.backends._postgres import PostgresEngine
from storescope.backends._postgres._connect import PostgresOptions
from storescope.backends._postgres._tables import check_size
from storescope.backends._tables import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._kv._engine import Expected
    from storescope.backends._options import Target
    from storescope.backends._postgres._server import Connection
    from storescope.reports import BackendReport


class _Statements(NamedTuple):
    get: str
    get_many: str
    put: str
    insert: str
    swap: str
    delete: str
    delete_version: str
    list: str
    list_to_the_end: str
    number: str


def _statements(schema: str) -> _Statements:
    table = f"{schema}.kv_entries"
    insert = f"INSERT INTO {table} (key, version, metadata, value) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO "
    values = "SET version = $2, metadata = $3, value = $4"
    short = "CASE WHEN octet_length(value) <= $2 THEN value END"
    page = f"SELECT key, version FROM {table} WHERE key >= $1 AND key > $2"
    return _Statements(
        get=f"SELECT value, version, metadata FROM {table} WHERE key = $1",
        get_many=f"SELECT key, {short}, version, metadata FROM {table} WHERE key = ANY($1)",
        put=f"{insert} UPDATE {values}",
        insert=f"{insert} NOTHING",
        swap=f"UPDATE {table} {values} WHERE key = $1 AND version = $5",
        delete=f"DELETE FROM {table} WHERE key = $1",
        delete_version=f"WITH gone AS (DELETE FROM {table} WHERE key = $1 AND version = $2 RETURNING 1) "
        f"SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM {table} WHERE key = $1)",
        list=f"{page} AND key < $4 ORDER BY key LIMIT $3",
        list_to_the_end=f"{page} ORDER BY key LIMIT $3",
        number=f"SELECT nextval('{schema}.kv_numbers')",
    )


class PostgresKv:
    """The entries of one schema."""

    Options: ClassVar = PostgresOptions
    packs = False  # a list is one request, or two

    def __init__(self, engine: PostgresEngine) -> None:
        self.info = engine.info
        self.marker = engine.marker
        self._server = engine.server
        self._sql = _statements(engine.server.schema)

    @classmethod
    async def open(cls, target: Target, options: PostgresOptions, report: BackendReport) -> Self:
        """Connect to the database that the URL names.

        Raises:
            BackendError: If the URL is malformed, or the database cannot be reached or used.
        """
        return cls(await PostgresEngine.open(target, options, Site("shared", report)))

    async def get(self, key: str) -> Entry | None:
        """Return what is stored under a key, or None."""
        row = await self._read("fetchrow", self._sql.get, key)
        return None if row is None else Entry(row[0], row[1], row[2])

    async def get_many(self, keys: Sequence[str], *, max_bytes: int) -> list[Entry | None]:
        """Return what is stored under each key, in one statement, without values larger than `max_bytes`."""
        rows = await self._read("fetch", self._sql.get_many, keys, min(max_bytes, _MAX_INT))
        found = {row[0]: Entry(row[1] or b"", row[2], row[3], row[1] is not None) for row in rows}
        return [found.get(key) for key in keys]

    async def put(self, key: str, value: bytes, *, metadata: bytes = b"", expected: Expected = ANY) -> str:
        """Write, and return the new version."""
        check_size(max(len(value), len(metadata)))
        version = new_version()
        row = (key, version, metadata, value)
        if expected is ANY:
            done = await self._write("execute", self._sql.put, *row)
        elif expected is ABSENT:
            done = await self._write("execute", self._sql.insert, *row)
        else:
            done = await self._write("execute", self._sql.swap, *row, expected)
        if done.endswith(" 0"):
            raise conflict()
        return version

    async def delete(self, key: str, *, expected: Expected = ANY) -> bool:
        """Delete, and return whether there was something."""
        if expected is ANY:
            return bool(await self._write("execute", self._sql.delete, key) == "DELETE 1")
        gone, there = await self._write("fetchrow", self._sql.delete_version, key, str(expected))
        if there and not gone:
            raise conflict()
        return bool(gone)

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Page:
        """Return the keys that begin with `prefix`, in order."""
        end = range_end(prefix)
        arguments = (prefix, after or "", limit)
        if end is None:
            rows = await self._read("fetch", self._sql.list_to_the_end, *arguments)
        else:
            rows = await self._read("fetch", self._sql.list, *arguments, end)
        return page_of([Listed(row[0], row[1]) for row in rows], limit)

    async def next_number(self) -> int:
        """Return a number above all that this gave before."""
        number: int = await self._write("fetchval", self._sql.number)
        return number

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    async def _read(self, method: str, statement: str, *args: Any) -> Any:
        return await self._server.read("", _job(method, statement, args))

    async def _write(self, method: str, statement: str, *args: Any) -> Any:
        return await self._server.write("", _job(method, statement, args))


_MAX_INT = 2**31 - 1  # `octet_length` is an integer of 32 bits


def _job(method: str, statement: str, args: tuple[Any, ...]) -> Any:
    def run(connection: Connection) -> Any:
        return getattr(connection, method)(statement, *args)

    return run
