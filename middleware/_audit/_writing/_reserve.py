"""Room that is kept on the disk, so that seals and what must be said of a full disk can still be written."""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MEASURE_BYTES = 1024 * 1024
_MEASURE_SECONDS = 0.25


class ReserveError(OSError):
    """There is room, and it is reserved."""


class Reserve:
    """Refuses records of calls while less than the reserve is free.

    Attributes:
        free_bytes: How much was free when that was last asked; NaN if it could not be told.
    """

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self.free_bytes = math.nan
        self._folder = folder
        self._reserve = reserve_bytes
        self._size = 0
        self._measured_at = 0.0

    def measure(self) -> None:
        """Ask the file system.

        Raises:
            OSError: If it does not tell.
        """
        self._measured_at = time.monotonic()
        self.free_bytes = math.nan
        found = os.statvfs(self._folder)
        self.free_bytes = float(found.f_bavail * found.f_frsize)

    def check(self) -> None:
        """Compare what was free.

        Raises:
            ReserveError: If it was less than the reserve.
        """
        if self.free_bytes < self._reserve:
            raise ReserveError(errno.ENOSPC, f"less than its reserve of {self._reserve} bytes is free")

    def check_after(self, size: int) -> None:
        """Compare what is free, asked anew if the file has grown by a mebibyte since, or there was too little.

        Raises:
            ReserveError: If it is less than the reserve.
            OSError: If the file system does not tell.
        """
        grown = not 0 <= size - self._size < _MEASURE_BYTES
        if grown or self.free_bytes < self._reserve:
            if grown or time.monotonic() >= self._measured_at + _MEASURE_SECONDS:
                self._size = size
                self.measure()
            self.check()
