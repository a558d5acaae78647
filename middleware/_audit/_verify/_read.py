"""Opens the file of a segment, whichever of its forms is there, while a writer may be packing or removing it."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from storescope.middleware._audit._files import MOST_LINE_BYTES, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 18
_UNPACK_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)


class BrokenError(Exception):
    """A segment is altered, from this line on; 0 where the file as a whole is meant."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


class VanishedError(Exception):
    """A segment that was listed is not there any more."""


def first_line(folder: Path, stream: str, number: int) -> bytes:
    """Return the first line of a segment; nothing if there is no whole one, or the file is none."""
    try:
        with _opened(folder, stream, number) as (file, _):
            line = file.readline(MOST_LINE_BYTES)
    except (BrokenError, VanishedError, *_UNPACK_ERRORS):
        return b""
    return line[:-1] if line.endswith(b"\n") else b""


def is_there(folder: Path, stream: str, number: int) -> bool:
    """Return whether any form of a segment is there now."""
    return any(os.path.lexists(path) for path in _paths(folder, stream, number))


def read_lines(
    folder: Path, stream: str, number: int, position: int, progress: Callable[[int], None]
) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield whole lines of a segment by the thousands, and what begins of the next.

    Args:
        folder: The audit folder.
        stream: The stream's id.
        number: The segment's number.
        position: Where to begin, in bytes of the unpacked segment.
        progress: Told how many bytes of the file were read since it was told last.

    Raises:
        BrokenError: If it does not unpack, its two forms differ, it is no file or has an endless line.
        VanishedError: If it is not there.
    """
    try:
        with _opened(folder, stream, number) as (file, raw):
            file.seek(position)  # of a packed one, this reads on to there
            told, rest = raw.tell(), b""
            while data := file.read(_CHUNK_BYTES):
                *lines, rest = (rest + data).split(b"\n")
                if len(lines[0] if lines else rest) >= MOST_LINE_BYTES:
                    raise BrokenError(0, "a line is longer than any record can be")
                progress(raw.tell() - told)
                told = raw.tell()
                yield lines, rest
    except _UNPACK_ERRORS:
        raise BrokenError(0, "the file does not unpack") from None


def _paths(folder: Path, stream: str, number: int) -> tuple[Path, Path]:
    """Return the paths of the plain and the packed form, in the order in which to ask whether they are there."""
    plain = folder / segment_name(stream, number)
    return plain, plain.with_name(plain.name + ".gz")


@contextmanager
def _opened(folder: Path, stream: str, number: int) -> Generator[tuple[IO[bytes], IO[bytes]]]:
    """Open a segment: unpacked, and as the file itself, which tells how far it was read.

    A writer that packs a segment puts the packed form there whole before it takes the plain one away.
    """
    plain_path, packed_path = _paths(folder, stream, number)
    plain = _open_file(plain_path)
    packed = None
    try:
        packed = _open_file(packed_path)
        unpacked = None if packed is None else cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
        if plain is not None:
            if unpacked is not None and not _same(plain, unpacked):
                raise BrokenError(0, "its plain and its packed form differ")
            plain.seek(0)
            yield plain, plain
        elif packed is not None and unpacked is not None:
            yield unpacked, packed
        else:
            raise VanishedError
    finally:
        for file in (plain, packed):
            if file is not None:
                file.close()


def _open_file(path: Path) -> IO[bytes] | None:
    """Open a file; None if there is none.

    Raises:
        BrokenError: If it is something else, such as a pipe that would never answer.
    """
    descriptor = None
    try:
        if stat.S_ISREG(path.stat().st_mode):  # and should a pipe take its place now, it is not waited for
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if not path.is_symlink():  # one that leads nowhere
            return None
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO}:  # links in a circle, a socket
            raise
    if descriptor is None:
        raise BrokenError(0, "it is not a file")
    return os.fdopen(descriptor, "rb")


def _same(plain: IO[bytes], packed: IO[bytes]) -> bool:
    while True:
        ours = plain.read(_CHUNK_BYTES)
        if ours != packed.read(len(ours) or 1):
            return False
        if not ours:
            return True
