"""Disks of a test's own: a small one, which can be filled, and one that goes wrong in every other way."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers import ServerMissingError

if TYPE_CHECKING:
    from collections.abc import Generator

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


class FaultyDisk:
    """A file system of its own at `path`, in which what is told of it goes wrong.

    Attributes:
        path: Where it is mounted. While it hangs, who touches it waits.
        real: The folder with the same files, which always answers.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.real = folder / "disk", folder / "real"
        for made in (self.path, self.real):
            made.mkdir(parents=True)
        command = [sys.executable, "-m", "tests.faults.fuse_disk", str(self.real), str(self.path)]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def well(self) -> None:
        """Let it work as a disk does; what hung goes on."""
        self._tell("none")

    def slow(self, seconds: float) -> None:
        """Let each change (a write, a sync, a new file) take this long."""
        self._tell("slow", seconds=seconds)

    def hung(self, seconds: float = 10.0) -> None:
        """Let it answer nothing at all, until it is told something else; no wait is longer than `seconds`."""
        self._tell("hung", seconds=seconds)

    def hung_syncs(self) -> None:
        """Let it take writes, and answer no sync until it is told something else."""
        self._tell("hung syncs")

    def full(self, room: int = 0) -> None:
        """Let it take `room` bytes more, the first part of a write if need be, and then refuse (ENOSPC)."""
        self._tell("full", room=room)

    def read_only(self) -> None:
        """Let it refuse every change (EROFS), also to files that are open, as one whose driver gave up."""
        self._tell("read-only")

    def failing(self) -> None:
        """Let it refuse every change and every sync (EIO)."""
        self._tell("failing")

    def unsyncable(self) -> None:
        """Let it take writes and refuse to sync them (EIO)."""
        self._tell("unsyncable")

    def start(self) -> None:
        """Wait until it is mounted."""
        self._expect("mounted")

    def remove(self) -> None:
        """Unmount it whatever its state, and end its process; who waits for it gets an error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            subprocess.run(["fusermount3", "-u", "-z", self.path], check=True)
        self._process.stdout.close()
        assert not self.path.is_mount()

    def _tell(self, fault: str, **how: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"fault": fault, **how}).encode() + b"\n")
        self._process.stdin.flush()
        self._expect("done")

    def _expect(self, word: str) -> None:
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], 10)
        if not ready or output.readline() != f"{word}\n".encode():
            raise ServerMissingError(
                "the disk over FUSE is not there; it needs /dev/fuse, and fuse3 (apt-get install fuse3): "
                f"{self._log.read_text()[-2000:]}"
            )


@contextmanager
def faulty_disk(folder: Path) -> Generator[FaultyDisk, None, None]:
    """Mount a `FaultyDisk` in a folder, for a block."""
    disk = FaultyDisk(folder)
    try:
        disk.start()
        yield disk
    finally:
        disk.remove()
