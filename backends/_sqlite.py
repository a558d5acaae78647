"""The file under `local:`: opening it safely beside other processes, and SQLite's errors as ours."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from storescope import BackendError, RecordTooLargeError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_VERSION = 1
RECORDS = (
    # seq orders a session's records; the two are empty for records that belong to no session.
    """
    CREATE TABLE IF NOT EXISTS records(
        tenant TEXT NOT NULL, entity TEXT NOT NULL, id TEXT NOT NULL, session TEXT, seq INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY (tenant, entity, id)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX IF NOT EXISTS by_session ON records(tenant, entity, session, seq) WHERE session IS NOT NULL
    """,
    # What writes with a call id of their own returned.
    """
    CREATE TABLE IF NOT EXISTS effects(
        tenant TEXT NOT NULL, call_id TEXT NOT NULL, entity TEXT NOT NULL, verb TEXT NOT NULL, id TEXT NOT NULL,
        at REAL NOT NULL, result BLOB, PRIMARY KEY (tenant, call_id, entity, verb, id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS effects_of_record ON effects(tenant, entity, id)",
    "CREATE INDEX IF NOT EXISTS effects_by_age ON effects(at)",
)
"""The tables of `storage.db`; those that an older file lacks are made when it is opened."""

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")  # another process is at it
_RETRYABLE = (*_BUSY, "SQLITE_FULL")
_PAUSE = 0.01  # seconds between two tries


def open_file(path: Path, *, busy_timeout: float, schema: tuple[str, ...] = RECORDS) -> sqlite3.Connection:
    """Open the database, and make it if it is not there.

    Args:
        path: The file. Its folder is made too, readable by this user alone.
        busy_timeout: The longest wait for another process, in seconds.
        schema: The statements that make the tables that are not there.

    Raises:
        BackendError: If it cannot be opened, or is not ours. Nothing was changed.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"the folder of a local: backend cannot be made or used ({error.strerror})",
            driver_error=type(error).__name__,
        ) from None
    with translated("open"):
        connection = _connect(path, busy_timeout)
        try:
            _prepare(connection, path, busy_timeout, schema)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
    """Open a second connection, which only reads, to a database that `open_file` has prepared."""
    with translated("open"):
        connection = _connect(path, busy_timeout)
        connection.execute("PRAGMA query_only = ON")
        return connection


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    # Opened on one thread and used on another, but never on two at once.
    return sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path, busy_timeout: float, schema: tuple[str, ...]) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    _check_version(connection, path)  # before the switch to WAL would change a file that is not ours
    _switch_to_wal(connection, busy_timeout)
    with transaction(connection):
        _check_version(connection, path)
        for statement in (*schema, f"PRAGMA user_version = {_VERSION}"):
            connection.execute(statement)


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int
    tables: int
    # One statement, so that no other process can make the tables between the two answers.
    with closing(
        connection.execute("SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version")
    ) as rows:
        version, tables = rows.fetchone()
    if version > _VERSION:
        raise BackendError("this local: folder was written by a newer storescope; install that one")
    if version == 0 and tables:
        raise BackendError(f"the file {path.name} in this local: folder is another program's database")
    return version


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch to the write-ahead log; this one statement does not wait for other processes by itself."""
    give_up = time.monotonic() + busy_timeout
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not _code(error).startswith(_BUSY) or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE)
        else:
            break
    if mode != "wal":
        raise BackendError("this local: folder's file system has no shared memory, which SQLite's WAL needs")


class transaction:  # noqa: N801 (used like a function; a generator costs more)
    """Hold the write lock for a block, from its first statement on; commit at the end, or undo all.

    Raises:
        BackendError: If the disk fails at the end. The write-ahead log may hold the whole transaction by then: if
            the process ends before another overwrites it, the next one to open the file finds it applied.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._undo()
            return
        try:
            self._connection.execute("COMMIT")
        except BaseException as failure:
            self._undo()
            if isinstance(failure, sqlite3.Error) and _code(failure).startswith("SQLITE_IOERR"):
                raise _backend_error("commit", failure, maybe_applied=True) from None
            raise

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class translated:  # noqa: N801 (used like a function; a generator costs more)
    """Turn SQLite's errors into ours. Their texts are left behind; their names say enough."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OverflowError) or (isinstance(error, sqlite3.DataError) and _is_too_big(error)):
            raise RecordTooLargeError("the record is larger than SQLite can hold") from None
        if isinstance(error, sqlite3.Error):
            raise _backend_error(self._doing, error) from None


def _is_too_big(error: sqlite3.DataError) -> bool:
    return _code(error) == "SQLITE_TOOBIG"


def _backend_error(doing: str, error: sqlite3.Error, *, maybe_applied: bool = False) -> BackendError:
    code = _code(error)
    driver_error = f"sqlite3.{type(error).__name__}" + (f":{code}" if code else "")
    return BackendError(
        f"SQLite could not {doing} ({driver_error})",
        driver_error=driver_error,
        retryable=code.startswith(_RETRYABLE),
        maybe_applied=maybe_applied,
    )


def _code(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")  # errors of the module itself have none
