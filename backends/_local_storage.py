"""`local_storage`: the storage function of an agent that was told nothing of storage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from storescope.backends._backend import Backend
from storescope.backends._local import LocalEngine
from storescope.backends._local_effects import LocalEffects
from storescope.backends._local_file import FileOptions, LocalFile
from storescope.backends._sqlite import RECORDS
from storescope.reports import BackendReport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from storescope import Store


def local_storage(path: str | Path = ".storescope") -> Callable[[Store], Coroutine[Any, Any, Any]]:
    """Return a storage function that keeps everything in a folder, for development.

    The folder is opened at the first call, once, whatever event loops and threads the calls come from, and
    stays open until the process ends. Each write is on disk when its call returns. To choose when it is
    closed, or to put middleware around it, use `open_backend("local:...")`.

    Args:
        path: The folder; it is made if it is not there.

    Returns:
        `async def storage(store)`, for `StorageClient` or an agent's `storage` option. It raises what the
        backend raises: a `BackendError` at the first call if the folder cannot be opened; the next call
        tries again.
    """
    folder = Path(path)
    opening = Lock()
    opened: list[Backend] = []

    def open_once() -> Backend:
        with opening:
            if not opened:
                report = BackendReport()
                engine = LocalEngine(
                    LocalFile(folder, "storage.db", RECORDS, FileOptions(), report), LocalEffects(0)
                )
                report.begin(engine.info)
                opened.append(Backend(engine, engine.info))
            return opened[0]

    async def storage(store: Store) -> Any:
        backend = opened[0] if opened else await asyncio.to_thread(open_once)
        return await store.on(backend)

    return storage
