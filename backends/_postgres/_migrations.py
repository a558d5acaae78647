"""The tables, and how they come into being: numbered SQL files beside this one, each applied once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope import BackendError

if TYPE_CHECKING:
    from storescope.backends._postgres._server import Connection

_FILES = sorted(Path(__file__).parent.glob("0*.sql"))
_LOCK = 0x73746F7265  # any number that no other program takes; "store" in ASCII


async def migrate(connection: Connection, schema: str) -> None:
    """Bring the schema up to this version's. Of processes that start at once, one works and the others wait.

    Raises:
        BackendError: If it was made by a newer storescope. Nothing was changed.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        done = await _find_version(connection, schema)
        _refuse_newer(done)
        if done == len(_FILES):
            return
        if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
            await connection.execute(f"CREATE SCHEMA {schema}")  # IF NOT EXISTS would ask for the right to, always
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        if not done:
            await connection.execute(
                "CREATE TABLE migrations (version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        for version, file in enumerate(_FILES[done:], done + 1):
            await connection.execute(file.read_text())
            await connection.execute("INSERT INTO migrations (version) VALUES ($1)", version)


async def check_version(connection: Connection, schema: str) -> None:
    """Make sure that the tables are this version's.

    Raises:
        BackendError: If they are missing, older or newer.
    """
    done = await _find_version(connection, schema)
    _refuse_newer(done)
    if done < len(_FILES):
        what = "older than this storescope needs" if done else "missing"
        raise BackendError(
            f"postgresql: the tables in schema {schema} are {what}; "
            "open the backend once with migrate=True, as a role that may create them"
        )


def _refuse_newer(done: int) -> None:
    if done > len(_FILES):
        raise BackendError("postgresql: the tables were made by a newer storescope; install that one")


async def _find_version(connection: Connection, schema: str) -> int:
    table = f"{schema}.migrations"
    if await connection.fetchval("SELECT to_regclass($1)::text", table) is None:
        return 0
    version: Any = await connection.fetchval(f"SELECT max(version) FROM {table}")
    return version or 0
