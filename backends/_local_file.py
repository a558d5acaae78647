"""One SQLite file in a folder, written by one thread and read by another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from storescope import BackendError, BackendInfo
from storescope.backends._local_marker import LocalMarker
from storescope.backends._sqlite import open_file, open_reader
from storescope.backends._sqlite_worker import Worker

if TYPE_CHECKING:
    from storescope.backends._options import Target
    from storescope.reports import BackendReport


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What `local:` takes.

    Attributes:
        busy_timeout: The longest wait for another process that writes, in seconds; for each call, from when it
            is made.
        create: Whether to make the folder if it is not there.
    """

    busy_timeout: float = 5.0
    create: bool = True


class LocalFile:
    """An open file, its two threads, and its residency marker.

    Attributes:
        reader: Runs what only reads.
        writer: Runs what writes.
        marker: The marker, a table of the same file.
        info: What telemetry knows of it.
    """

    def __init__(
        self, folder: Path, name: str, schema: tuple[str, ...], options: FileOptions, report: BackendReport
    ) -> None:
        """Open the file, and make it and its folder if they are not there. This waits for the disk.

        Raises:
            BackendError: If it cannot be opened, or is not ours.
        """
        self._report = report
        path = folder / name
        if not options.create and not path.exists():
            raise BackendError("this local: folder holds no storage; look at its path, or let create be True")
        patience = options.busy_timeout
        self.writer = Worker(
            open_file(path, busy_timeout=patience, schema=schema), "storescope-writer", busy_timeout=patience
        )
        self.reader = Worker(open_reader(path, busy_timeout=patience), "storescope-reader", busy_timeout=patience)
        report.set("connections_open", 2)
        self.marker = LocalMarker(path, self.reader, self.writer)
        self.info = BackendInfo(system="sqlite", namespace=str(folder), keeps_labels=True)

    @classmethod
    async def open(
        cls, target: Target, name: str, schema: tuple[str, ...], options: FileOptions, report: BackendReport
    ) -> Self:
        """Open a file in the folder that the URL names.

        Args:
            target: The URL.
            name: The file's name.
            schema: The statements that make its tables.
            options: How long to wait for others, and whether it may be made.
            report: Where its connections are counted.

        Raises:
            BackendError: If the URL names no folder, or the file cannot be opened.
        """
        path = target.rest.removeprefix("//")  # local:///data and local:/data are the same
        if not path or "\0" in path:
            raise BackendError("a local: backend is named by a folder, such as 'local:.storescope'")
        return await asyncio.to_thread(cls, Path(path), name, schema, options, report)

    async def aclose(self) -> None:
        """Let what was begun end, and close the file."""
        await asyncio.to_thread(self._close)
        self._report.end()

    def _close(self) -> None:
        self.writer.close()
        self.reader.close()
