"""A disk that is slow, hangs, is full, fails or is read-only when it is told to: a process of its own, over FUSE.

`python -m tests.faults.fuse_disk REAL MOUNTPOINT` shows the folder REAL at MOUNTPOINT. A line on its input such as
`{"fault": "slow", "seconds": 0.3}` says what is wrong from now on, and is answered with a line. At the end of its
input, so also when the test that started it was killed, it unmounts itself and is gone: who still waits for it
gets an error.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfusepy import FUSE  # pyright: ignore[reportMissingTypeStubs] (it is annotated, and does not say so)

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SECONDS = 10.0
"""What hangs goes on by itself after this: a test of code that waits for it fails, and does not hang itself."""

_REFUSALS = {"failing": errno.EIO, "unsyncable": errno.EIO, "full": errno.ENOSPC, "read-only": errno.EROFS}
_SYNCS = {"fsync", "fsyncdir"}
_REFUSED: dict[str, Callable[[str], bool]] = {
    "failing": lambda operation: True,
    "unsyncable": lambda operation: operation in _SYNCS,
    "full": lambda operation: operation in {"write", "create", "mkdir"},
    "read-only": lambda operation: operation not in _SYNCS,
}


class Faults:
    """What is wrong with the disk now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.set("none")

    def set(self, fault: str, *, seconds: float = 0.0, room: int = 0) -> None:
        """Change it; what hung goes on.

        Args:
            fault: `none`, `slow`, `hung`, `hung syncs`, or one of those that refuse.
            seconds: How long a slow disk takes for each change, and one that hangs for an answer at most.
            room: How many bytes a full disk still takes.
        """
        with self._changed:
            self.fault, self._seconds, self._room = fault, seconds, room
            self._changed.notify_all()

    def answer(self) -> None:
        """Wait while the disk hangs: then it answers nothing at all."""
        self._wait_out("hung")

    def change(self, operation: str, size: int = 0) -> int:
        """Wait as long as the disk takes for a change, and return how many of its `size` bytes it takes.

        Raises:
            OSError: If it refuses.
        """
        self.answer()
        if operation in _SYNCS:
            self._wait_out("hung syncs")
        if self.fault == "slow":
            time.sleep(self._seconds)
        with self._changed:
            taken = min(size, self._room)
            self._room -= taken
        if self.fault in _REFUSED and _REFUSED[self.fault](operation) and not taken:
            raise OSError(_REFUSALS[self.fault], os.strerror(_REFUSALS[self.fault]))
        return taken if self.fault == "full" else size

    def _wait_out(self, fault: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.fault != fault, self._seconds or MOST_SECONDS)


class Disk:
    """The folder `real`, with faults; the methods are those of `mfusepy.Operations`."""

    use_ns = True

    def __init__(self, real: Path, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    def init(self, path: str) -> None:
        say("mounted")

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        self._faults.answer()
        found = os.lstat(self._at(path)) if fh is None else os.fstat(fh)
        times = {f"st_{time}": getattr(found, f"st_{time}_ns") for time in ("atime", "mtime", "ctime")}
        names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
        return {name: getattr(found, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        self._faults.answer()
        return [".", "..", *(found.name for found in self._at(path).iterdir())]

    def statfs(self, path: str) -> dict[str, int]:
        self._faults.answer()
        found = os.statvfs(self._at(path))
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")
        full = {"f_bfree": 0, "f_bavail": 0} if self._faults.fault == "full" else {}
        return {name: getattr(found, name) for name in names} | full

    def open(self, path: str, flags: int) -> int:
        self._faults.answer()
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._faults.change("open")
        return os.open(self._at(path), flags & ~os.O_APPEND)  # the kernel says at which offset

    def create(self, path: str, mode: int, flags: int = 0) -> int:
        self._faults.change("create")
        return os.open(self._at(path), flags & ~os.O_APPEND, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._faults.answer()
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data[: self._faults.change("write", len(data))], offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._faults.change("truncate")
        os.truncate(self._at(path) if fh is None else fh, length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._faults.change("fsync")  # that the real disk syncs too is nothing that a test could see
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._faults.change("fsyncdir")
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._faults.change("mkdir")
        self._at(path).mkdir(mode)
        return 0

    def rmdir(self, path: str) -> int:
        self._faults.change("rmdir")
        self._at(path).rmdir()
        return 0

    def unlink(self, path: str) -> int:
        self._faults.change("unlink")
        self._at(path).unlink()
        return 0

    def rename(self, old: str, new: str) -> int:
        self._faults.change("rename")
        self._at(old).rename(self._at(new))
        return 0

    def link(self, target: str, source: str) -> int:
        self._faults.change("link")
        self._at(target).hardlink_to(self._at(source))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._faults.change("chmod")
        self._at(path).chmod(mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        self._faults.change("utimens")
        os.utime(self._at(path), ns=times)
        return 0

    def _at(self, path: str) -> Path:
        return self._real / path.removeprefix("/")


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def obey(faults: Faults, mountpoint: str) -> None:
    """Do what is said on the standard input, until it ends."""
    for line in sys.stdin:
        faults.set(**json.loads(line))
        say("done")
    subprocess.run(["fusermount3", "-u", "-z", mountpoint], check=False)
    os._exit(0)  # threads that hang included


def main(real: str, mountpoint: str) -> None:
    faults = Faults()
    threading.Thread(target=obey, args=(faults, mountpoint), daemon=True).start()
    FUSE(
        Disk(Path(real), faults),
        mountpoint,
        foreground=True,
        fsname="storescope-test",
        use_ino=True,
        hard_remove=True,
        attr_timeout=0,  # what a hung disk would answer must not be remembered from before
        entry_timeout=0,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
