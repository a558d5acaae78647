"""The heads of a folder: the last whole record of every stream. Kept elsewhere, they are an anchor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope.errors import AuditError
from storescope.middleware._audit._ends import end_of
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._line import parse_record
from storescope.middleware._audit._reading._cursor import UNREADABLE, Problem
from storescope.middleware._audit._record import Clock
from storescope.middleware._files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import IO

    from storescope.middleware._audit._files import Segment


def anchor_lines(folder: str | Path, report: Callable[[Problem], None]) -> Iterator[str]:
    """Return the heads of a folder as JSON, one line for each stream, with `anchored_at`.

    Args:
        folder: The audit folder. Writers may be writing to it.
        report: Called for a stream whose end is no record: it has no head.

    Raises:
        AuditError: If the folder holds no stream.
    """
    streams = streams_of(Path(folder))
    if not streams:
        raise AuditError(f"{folder}: holds no audit stream")
    clock = Clock()
    for stream, segments in streams.items():
        try:
            last = last_record(segments)
            if last is None:
                continue  # its writer has not come to the end of the header yet
            if last["stream"] != stream:
                raise ValueError("the last line belongs to another stream")  # noqa: TRY301 (one way for all)
        except (ValueError, *UNREADABLE) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            report(Problem(segments[-1].path, 0, f"has no head: {why}"))
            continue
        head = {"stream": stream, "seq": last["seq"], "mac": last["mac"], "anchored_at": clock.stamp()}
        yield to_json(head)


def append_lines(path: Path, lines: Sequence[str], *, folder: Path) -> None:
    """Append lines to a file and bring them to the disk.

    Args:
        path: The file; made if it is missing.
        lines: The lines, without line feeds.
        folder: The audit folder. An anchor in it would be lost with it.

    Raises:
        AuditError: If that cannot be done, or the file lies in the folder.
    """
    if folder.resolve() in path.resolve().parents:
        raise AuditError(f"{path}: lies in the audit folder, and would be lost with it; keep anchors elsewhere")
    try:
        made = not path.exists()
        with path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = file.read(1) not in {b"", b"\n"}  # an append that a crash cut: it stays a line of its own
            _write_all(file, ("\n" * torn + "".join(f"{line}\n" for line in lines)).encode())
            os.fsync(file.fileno())
        if made:
            sync_folder(path.parent)
    except OSError as error:
        raise AuditError(f"{path}: the anchor cannot be written: {error.strerror}") from None


def last_record(segments: Sequence[Segment]) -> dict[str, Any] | None:
    """Return the last whole record of a stream; None if it has none yet.

    Raises:
        ValueError: If the last whole line is no record.
        OSError, EOFError, zlib.error: If a file cannot be read.
    """
    for segment in reversed(segments):
        line = end_of(segment).line
        if line is not None:
            return parse_record(line)
    return None


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
