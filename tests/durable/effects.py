"""How often a store was really written to: a trigger in it counts, whatever is told to whom."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from storescope.backends import open_backend

_SQLITE = """
CREATE TABLE applied(entity TEXT, id TEXT);
CREATE TRIGGER inserted AFTER INSERT ON records BEGIN INSERT INTO applied VALUES (new.entity, new.id); END;
CREATE TRIGGER updated AFTER UPDATE ON records BEGIN INSERT INTO applied VALUES (new.entity, new.id); END;
"""
_POSTGRES = """
CREATE TABLE {0}.applied(entity text, id text);
CREATE FUNCTION {0}.note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO {0}.applied VALUES (new.entity, new.id); RETURN new; END$$;
CREATE TRIGGER written AFTER INSERT OR UPDATE ON {0}.records FOR EACH ROW EXECUTE FUNCTION {0}.note();
"""


async def count_from_now(url: str) -> None:
    """Make the store, and count what is written to it from now on."""
    async with open_backend(url):
        pass
    if url.startswith("local:"):
        with closing(sqlite3.connect(_file(url))) as db:
            db.executescript(_SQLITE)
    else:
        connection = await asyncpg.connect(url.partition("?")[0])
        await connection.execute(_POSTGRES.format(_schema(url)))
        await connection.close()


async def count(url: str) -> int:
    """Return how many rows were written since."""
    if url.startswith("local:"):
        with closing(sqlite3.connect(_file(url))) as db:
            found: int = db.execute("SELECT count(*) FROM applied").fetchone()[0]
            return found
    connection = await asyncpg.connect(url.partition("?")[0])
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {_schema(url)}.applied"))
    finally:
        await connection.close()


def _file(url: str) -> Path:
    return Path(url.removeprefix("local:").partition("?")[0]) / "storage.db"


def _schema(url: str) -> str:
    return parse_qs(urlsplit(url).query)["schema"][0]
