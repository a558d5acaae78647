"""A small disk of a test's own, which can be filled."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]  # to mount a small disk, as to install the servers


@contextmanager
def small_disk(folder: Path, size: str) -> Generator[Path, None, None]:
    """Mount a file system of `size` on a new folder, for a block."""
    folder.mkdir()
    options = f"size={size},mode=777"
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "storescope-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*AS_ROOT, "umount", folder], check=True)
        folder.rmdir()


@contextmanager
def filled(folder: Path, *, but: int = 0) -> Generator[None, None, None]:
    """Leave `but` bytes of the disk free, for a block. Others may write to it meanwhile."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            with suppress(OSError):
                while file.write(bytes(4_096)):
                    pass
            file.truncate(max(0, file.tell() - but))
        yield
    finally:
        filler.unlink()
