"""The span store: one thread writes, in batches; readers never wait for it."""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from storescope.apps.view._insert import insert
from storescope.apps.view._retention import Bounds, take_out_old
from storescope.apps.view._schema import ViewError, open_database, open_reader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Sequence
    from types import TracebackType

    from storescope.apps.view._span import Span

_Job: TypeAlias = "tuple[Sequence[Span], Future[int]] | None"

_MOST_WAITING = 64  # requests; who sends faster than a disk writes is told to come again
_BATCH_SPANS = 5_000  # a transaction takes what waits, up to about so many
_READERS = 3
_LOOK_SECONDS = 5.0  # between two looks at what has become too old


class BusyError(Exception):
    """More waits to be written than is kept in memory; the sender may come again."""


class SpanStore:
    """Keeps spans in SQLite, within bounds.

    Attributes:
        path: The database.
        version: Grows with every change, so that a page can ask whether there is one.
    """

    def __init__(self, keep: Path | None = None, bounds: Bounds | None = None) -> None:
        """Open it.

        Args:
            keep: The file; without one a temporary file, which `close` deletes.
            bounds: What is kept at most.

        Raises:
            ViewError: If the file cannot be used.
        """
        self._folder = None if keep else Path(tempfile.mkdtemp(prefix="storescope-view-"))
        self.path = keep or Path(str(self._folder)) / "spans.db"
        self.version = 1
        self._bounds = bounds or Bounds()
        self._jobs: queue.Queue[_Job] = queue.Queue(_MOST_WAITING)
        try:
            self._connection = open_database(self.path, durable=keep is not None)
        except BaseException:
            self._remove_folder()
            raise
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for _ in range(_READERS):
            self._readers.put(open_reader(self.path))
        self._thread = threading.Thread(target=self._write, name="storescope-view-writer", daemon=True)
        self._thread.start()

    def add(self, spans: Sequence[Span]) -> Future[int]:
        """Hand spans to the writer.

        Returns:
            What says how many were new, once they are stored and can be read.

        Raises:
            BusyError: If too much waits already.
        """
        future: Future[int] = Future()
        try:
            self._jobs.put_nowait((spans, future))
        except queue.Full:
            raise BusyError from None
        return future

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Give a connection for queries that see one state of the database; for one thread."""
        connection = self._readers.get()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._readers.put(connection)

    def close(self) -> None:
        """Write what waits, and close; a temporary file is deleted."""
        self._jobs.put(None)
        self._thread.join()
        for _ in range(_READERS):
            self._readers.get().close()
        self._connection.close()
        self._remove_folder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                job = ((), Future())  # spans grow old also when none arrive
            if job is None:
                return
            jobs, is_last = self._more(job)
            self._commit(jobs)
            if is_last:
                return

    def _more(
        self, job: tuple[Sequence[Span], Future[int]]
    ) -> tuple[list[tuple[Sequence[Span], Future[int]]], bool]:
        """Return a job with those that wait behind it, and whether that is all there will ever be."""
        jobs, size = [job], len(job[0])
        while size < _BATCH_SPANS:
            try:
                more = self._jobs.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return jobs, True
            jobs.append(more)
            size += len(more[0])
        return jobs, False

    def _commit(self, jobs: list[tuple[Sequence[Span], Future[int]]]) -> None:
        """Write jobs in one transaction; a full disk fails them all and nothing else."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            counts = [insert(self._connection, spans) for spans, _ in jobs]
            gone = take_out_old(self._connection, self._bounds)
            self._connection.execute("COMMIT")
        except Exception as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for _, future in jobs:
                future.set_exception(ViewError(f"spans cannot be stored: {error}"))
            return
        if gone or any(counts):
            self.version += 1
        for (_, future), count in zip(jobs, counts, strict=True):
            future.set_result(count)
