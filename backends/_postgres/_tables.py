"""The records of one entity in Postgres, as rows of the one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from storescope import BackendError, RecordTooLargeError
from storescope.backends._codec import decode, encode, merge
from storescope.backends._effects import Effect, rerunnable_id
from storescope.backends._scan import page_of, read_place

if TYPE_CHECKING:
    from storescope.backends._codec import Record
    from storescope.backends._postgres._effects import PostgresEffects
    from storescope.backends._postgres._server import Connection, Server
    from storescope.backends._scan import ScanPage

_MAX_BYTES = 512 * 1024 * 1024
"""Postgres holds 1 GB in a field, and a row on its way in or out has to fit in 1 GB too, escapes included."""


class _Statements(NamedTuple):
    get: str
    list: str
    put: str
    read: str
    swap: str
    lock: str
    write: str
    scan: str
    scan_all: str
    hides: str
    purge: str


def _statements(schema: str) -> _Statements:
    table = f"{schema}.records"
    key = "tenant = $1 AND entity = $2 AND id = $3"
    place = "seq = CASE WHEN session IS NOT DISTINCT FROM $4 THEN seq ELSE nextval('{0}.records_seq_seq') END"
    merged = f"UPDATE {table} SET {place.format(schema)}, session = $4, body = $5 WHERE {key}"
    return _Statements(
        get=f"SELECT body FROM {table} WHERE {key}",
        list=f"SELECT body FROM {table} WHERE tenant = $1 AND entity = $2 AND session = $3 ORDER BY seq",
        put=f"INSERT INTO {table} AS old (tenant, entity, id, session, body) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant, entity, id) DO UPDATE SET session = excluded.session, body = excluded.body, "
        "seq = CASE WHEN old.session IS NOT DISTINCT FROM excluded.session THEN old.seq ELSE excluded.seq END",
        read=f"SELECT body, xmin FROM {table} WHERE {key}",
        swap=f"{merged} AND xmin = $6",  # xmin changes with every write of the row
        lock=f"SELECT body FROM {table} WHERE {key} FOR UPDATE",
        write=merged,
        scan=f"SELECT tenant, id, body FROM {table} WHERE tenant = $1 AND entity = $2 AND id > $3 "
        "ORDER BY id LIMIT $4",
        scan_all=f"SELECT tenant, id, body FROM {table} WHERE (tenant, entity, id) > ($1, $2, $3) AND entity = $2 "
        "ORDER BY tenant, entity, id LIMIT $4",
        hides=f"SELECT row_security_active('{table}')",
        purge=f"WITH known AS (DELETE FROM {schema}.effects WHERE {key}) DELETE FROM {table} WHERE {key}",
    )


class PostgresTable:
    """The records of one entity."""

    def __init__(self, entity: str, server: Server, effects: PostgresEffects, *, in_session: bool = False) -> None:
        self._entity = entity
        self._effects = effects
        self._server = server
        self._in_session = in_session
        self._sql = _statements(server.schema)

    async def get(self, tenant: str, id: str) -> Record | None:
        """Return the record, or None."""

        def select(connection: Connection) -> Any:
            return connection.fetchval(self._sql.get, tenant, self._entity, id)

        return _decode(await self._server.read(tenant, select))

    async def set(self, tenant: str, id: str, record: Record) -> None:
        """Insert the record, or replace it whole."""
        row = (tenant, self._entity, id, self._home(record), _to_text(encode(record)))

        async def put(connection: Connection) -> None:
            await connection.execute(self._sql.put, *row)

        call_id = rerunnable_id(self._effects.days)
        if call_id is None:
            await self._server.write(tenant, put)
        else:
            await self._effects.once(Effect(tenant, call_id, self._entity, "set", id), put)

    async def update(self, tenant: str, id: str, updates: Record) -> Record | None:
        """Merge `updates` in and return the record; None if there is none.

        Two round trips if nobody else writes the record in between; else, under the row's lock.
        """
        key = (tenant, self._entity, id)
        patch = encode(updates)

        async def swap(connection: Connection) -> tuple[bool, Record | None]:
            row = await connection.fetchrow(self._sql.read, *key)
            if row is None:
                return True, None
            text, record = merge(row[0].encode(), patch)
            done = await connection.execute(self._sql.swap, *key, self._home(record), _to_text(text), row[1])
            return done == "UPDATE 1", record

        async def merge_locked(connection: Connection) -> str | None:
            old = await connection.fetchval(self._sql.lock, *key)
            if old is None:
                return None
            text, record = merge(old.encode(), patch)
            merged = _to_text(text)
            await connection.execute(self._sql.write, *key, self._home(record), merged)
            return merged

        call_id = rerunnable_id(self._effects.days)
        if call_id is not None:
            effect = Effect(tenant, call_id, self._entity, "update", id)
            return _decode(await self._effects.once(effect, merge_locked))
        done, record = await self._server.write(tenant, swap)
        if done:
            return record
        self._server.report.add("update_conflicts")
        return _decode(await self._server.write(tenant, merge_locked, together=True))

    async def list_session(self, tenant: str, session_id: str) -> list[Record]:
        """Return a session's records in order of first insertion, in one statement."""

        def select(connection: Connection) -> Any:
            return connection.fetch(self._sql.list, tenant, self._entity, session_id)

        return [decode(row[0].encode()) for row in await self._server.read(tenant, select)]

    async def scan(self, tenant: str | None, cursor: str | None, limit: int) -> ScanPage:
        """Return some of the tenant's records, or of everybody's, and the cursor of the rest.

        Raises:
            BackendError: If it is to be everybody's, and row-level security hides some from this role.
        """
        after = read_place(cursor)

        async def select(connection: Connection) -> Any:
            if tenant is not None:
                return await connection.fetch(self._sql.scan, tenant, self._entity, after[1], limit)
            if await connection.fetchval(self._sql.hides):
                raise BackendError(
                    "postgresql: row-level security hides the records of other tenants from this role; "
                    "to scan those of every tenant, connect as a role with BYPASSRLS"
                )
            return await connection.fetch(self._sql.scan_all, after[0], self._entity, after[1], limit)

        rows = await self._server.read(tenant or "", select)
        return page_of([(row[0], row[1], row[2].encode()) for row in rows], limit)

    async def purge(self, tenant: str, id: str) -> bool:
        """Delete the record, and return whether there was one."""

        def delete(connection: Connection) -> Any:
            return connection.execute(self._sql.purge, tenant, self._entity, id)

        return bool(await self._server.write(tenant, delete) == "DELETE 1")

    def _home(self, record: Record) -> str | None:
        return record["sessionId"] if self._in_session else None


def _decode(text: str | None) -> Record | None:
    return None if text is None else decode(text.encode())


def check_size(size: int) -> None:
    """Refuse what Postgres would not hold.

    Raises:
        RecordTooLargeError: If it is above 512 MiB.
    """
    if size > _MAX_BYTES:
        raise RecordTooLargeError("the record is larger than the 512 MiB that this backend keeps in Postgres")


def _to_text(text: bytes) -> str:
    check_size(len(text))
    return text.decode()
