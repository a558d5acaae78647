"""The files of an audit folder: one for each segment of each stream."""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pathlib import Path

MOST_LINE_BYTES = 16 * 1024 * 1024
"""A line is a few hundred bytes, a header with many announcements may be long; past this, a file is hostile."""

LAST_SEGMENT = 999_999
_NAME = re.compile(r"(?P<stream>[^.]+)\.(?P<number>\d{6})\.jsonl(?P<packed>\.gz)?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One segment of a stream.

    Attributes:
        stream: The stream's id.
        number: The segment's number, from 1.
        path: Its file.
        packed: Whether the file is compressed.
    """

    stream: str
    number: int
    path: Path
    packed: bool = False

    @classmethod
    def of(cls, path: Path) -> Segment | None:
        """Return which segment a file is, by its name; None if it is none."""
        fits = _NAME.fullmatch(path.name)
        if fits is None or int(fits["number"]) == 0:
            return None
        return cls(fits["stream"], int(fits["number"]), path, packed=fits["packed"] is not None)

    def open(self) -> IO[bytes]:
        """Open it for reading, unpacked.

        Raises:
            OSError: If it cannot be opened; while reading, also if it does not unpack.
        """
        return cast("IO[bytes]", gzip.open(self.path)) if self.packed else self.path.open("rb")


def segment_name(stream: str, number: int) -> str:
    """Return the name of a segment's file while it is written."""
    return f"{stream}.{number:06d}.jsonl"


def log_files(folder: Path) -> list[Path]:
    """Return every file that is, or claims to be, part of the log."""
    return sorted(path for ending in ("*.jsonl", "*.jsonl.gz") for path in folder.glob(ending))


def streams_of(folder: Path) -> dict[str, list[Segment]]:
    """Return the segments of each stream, oldest first, streams by the time of their opening.

    Where a segment is there in both forms, because it is being compressed, the plain one is taken. What is no
    file, such as a pipe that would never answer, is left out.
    """
    streams: defaultdict[str, dict[int, Segment]] = defaultdict(dict)
    for path in log_files(folder):
        segment = Segment.of(path)
        if segment is not None and not path.is_file():  # each is looked at once: it may be packed at any moment
            packed = path.with_name(f"{path.name}.gz")
            segment = Segment.of(packed) if packed.is_file() else None
        if segment is not None:
            streams[segment.stream].setdefault(segment.number, segment)
    return {stream: [found[number] for number in sorted(found)] for stream, found in sorted(streams.items())}


def open_now(segment: Segment) -> tuple[Segment, IO[bytes]]:
    """Open a segment in the form that it has now: it may have been compressed since it was listed.

    Returns:
        The segment as it is, and its file.

    Raises:
        OSError: If it cannot be opened; FileNotFoundError if it is there in neither form.
    """
    try:
        return segment, segment.open()
    except FileNotFoundError:
        plain = segment.path.with_name(segment.path.name.removesuffix(".gz"))
        for path in (plain, plain.with_name(f"{plain.name}.gz")):
            found = Segment.of(path)
            if found is not None and path.is_file():
                return found, found.open()
        raise
