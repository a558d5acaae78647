"""The audit log beside the spans: its records by trace, and whether it verifies.

One thread follows the log and keeps the records that name a trace, another verifies it whenever it has changed and
enough time has passed. No request waits for either.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from storescope.apps.view._schema import open_database
from storescope.errors import AuditError
from storescope.middleware._audit._keys import load_secret
from storescope.middleware._audit._reading._read import LogReader
from storescope.middleware._audit._verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from storescope.middleware._audit._reading._cursor import Entry

_LOOK_SECONDS = 1.0
_REST = 10  # times as long as a verification took, until the next
_MOST_RECORDS = 1_000_000  # with a trace; the oldest are let go
_MOST_SHOWN = 5_000  # of one trace
_BATCH = 2_000
_SHOWN_FIELDS = [
    "seq",
    "stream",
    "ts",
    "phase",
    "call_id",
    "attempt",
    "operation",
    "actor",
    "tenant",
    "caller_region",
    "backend",
    "backend_region",
    "record",
    "session",
    "outcome",
    "error_type",
    "duration_us",
    "decision",
    "code",
    "rule",
    "exception",
    "policy",
    "span_id",
]


class AuditFollower:
    """Follows one audit folder.

    Attributes:
        version: Grows with every change.
    """

    def __init__(self, folder: Path, key: Path | None) -> None:
        """Begin.

        Args:
            folder: The audit folder.
            key: The auditor's secret key; without it nothing is verified.

        Raises:
            AuditError: If one of them cannot be read.
        """
        if key is not None:
            load_secret(key)
        self._folder, self._key = folder, key
        self._reader = LogReader(folder)
        self.version = 1
        self._problem: str | None = None
        self._records = 0
        self._verdict: dict[str, Any] = {} if key else {"verdict": "unverified", "summary": _NO_KEY}
        self._home = tempfile.TemporaryDirectory(prefix="storescope-view-audit-")
        self._path = Path(self._home.name) / "audit.db"
        self._connection = open_database(self._path, durable=False, schema=_SCHEMA)
        self._reading = _Reading(self._path)
        self._stop = threading.Event()
        jobs: list[Callable[[], None]] = [self._follow] if key is None else [self._follow, self._keep_verifying]
        self._threads = [threading.Thread(target=job, name="storescope-view-audit", daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def state(self) -> dict[str, Any]:
        """Return where the log lies, how many records name a trace, and what the verifier said when."""
        state = {"folder": str(self._folder), "records": self._records, "problem": self._problem}
        return {"verdict": "pending", "summary": "not verified yet", **state, **self._verdict}

    def records_of(self, trace_id: str) -> list[dict[str, Any]]:
        """Return a trace's records in their order."""
        return self._reading.records_of(trace_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following and verifying."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._reading.close()
        self._connection.close()
        self._home.cleanup()

    def _follow(self) -> None:
        with self._reader:
            while not self._stop.is_set():
                try:
                    self._take_new()
                    problem = None
                except AuditError as error:
                    problem = str(error)
                except sqlite3.Error as error:
                    problem = f"records cannot be kept: {error}"
                if problem != self._problem:
                    self._problem = problem
                    self.version += 1
                self._stop.wait(_LOOK_SECONDS)

    def _take_new(self) -> None:
        batch: list[tuple[str, str, str]] = []
        for entry in self._reader.read():
            if self._stop.is_set():
                return
            row = _row(entry)
            if row is not None:
                batch.append(row)
            if len(batch) >= _BATCH:
                self._keep(batch)
        self._keep(batch)

    def _keep(self, batch: list[tuple[str, str, str]]) -> None:
        if not batch:
            return
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO records (trace_id, ts, json) VALUES (?, ?, ?)", batch)
            last = self._connection.execute("SELECT max(id) FROM records").fetchone()[0]
            self._connection.execute("DELETE FROM records WHERE id <= ?", (last - _MOST_RECORDS,))
        self._records += len(batch)
        self.version += 1
        batch.clear()

    def _keep_verifying(self) -> None:
        seen: object = None
        while not self._stop.is_set():
            now, took = self._fingerprint(), 0.0
            if now and now != seen:
                seen, took = now, self._verify()
            self._stop.wait(max(_LOOK_SECONDS, took * _REST))

    def _fingerprint(self) -> tuple[object, ...]:
        """Return what differs when the log has grown or changed; nothing while it is empty."""
        try:
            found = [(path.name, path.stat()) for path in sorted(self._folder.glob("*.jsonl*"))]
        except OSError:  # a file was compressed or taken away meanwhile: look again
            return ()
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)

    def _verify(self) -> float:
        """Verify the log once; return the seconds it took."""
        began = time.monotonic()
        try:
            report = verify(self._folder, self._key or "", progress=self._go_on)
            found = {
                "verdict": report.verdict.name.lower(),
                "exit_code": int(report.verdict),
                "summary": report.summary(),
            }
        except _StoppedError:
            return 0.0
        except Exception as error:  # whatever it is, the page must say it and the thread go on
            why = str(error) if isinstance(error, AuditError) else f"the verifier failed: {type(error).__name__}"
            found = {"verdict": "failed", "summary": why}
        self._verdict = {**found, "checked": time.time() * 1e3}
        self.version += 1
        return time.monotonic() - began

    def _go_on(self, _: int) -> None:
        if self._stop.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """Ends a verification that nobody waits for any more."""


class _Reading:
    """The connection that answers requests, one at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def records_of(self, trace_id: str) -> list[dict[str, Any]]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT json FROM records WHERE trace_id = ? ORDER BY id LIMIT ?", (trace_id, _MOST_SHOWN)
            ).fetchall()
        return [orjson.loads(row[0]) for row in rows]

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _row(entry: Entry) -> tuple[str, str, str] | None:
    """Return a record as it is kept; None if it names no trace."""
    record = entry.record
    trace_id = record.get("trace_id")
    if not isinstance(trace_id, str) or not trace_id:
        return None
    shown = {name: record[name] for name in _SHOWN_FIELDS if record.get(name) is not None}
    return trace_id, entry.ts, orjson.dumps(shown, default=str).decode(errors="replace")


_NO_KEY = "start the viewer with --audit-key to verify it"
_SCHEMA = """
CREATE TABLE records (id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, ts TEXT NOT NULL, json TEXT NOT NULL);
CREATE INDEX records_by_trace ON records (trace_id);
"""
