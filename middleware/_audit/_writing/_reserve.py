"""Room that is kept on the disk, so that seals and what must be said of a full disk can still be written."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHECK_BYTES = 1024 * 1024
_RECHECK_SECONDS = 0.25


class ReserveError(OSError):
    """There is room, and it is reserved."""


class Reserve:
    """Refuses records of calls while less than the reserve is free."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        self._reserve = reserve_bytes
        self._short = False
        self._size = 0
        self._checked_at = 0.0

    def check_after(self, size: int) -> None:
        """Check anew if the file has grown by a mebibyte since, or while there is too little.

        Raises:
            ReserveError: If there is less than the reserve.
        """
        grown = not 0 <= size - self._size < _CHECK_BYTES
        if grown or (self._short and time.monotonic() >= self._checked_at + _RECHECK_SECONDS):
            self._size = size
            self.check()
        elif self._short:
            raise self._error()

    def check(self) -> None:
        """Ask the file system.

        Raises:
            ReserveError: If there is less than the reserve.
            OSError: If it does not answer.
        """
        if not self._reserve:
            return
        found = os.statvfs(self._folder)
        self._checked_at = time.monotonic()
        self._short = found.f_bavail * found.f_frsize < self._reserve
        if self._short:
            raise self._error()

    def _error(self) -> ReserveError:
        return ReserveError(errno.ENOSPC, f"less than its reserve of {self._reserve} bytes is free")
