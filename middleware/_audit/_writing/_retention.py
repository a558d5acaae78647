"""Closed segments are packed, and after their time taken away, with a tombstone that says so."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from storescope.middleware._audit._ends import end_of
from storescope.middleware._audit._files import MOST_LINE_BYTES, streams_of
from storescope.middleware._audit._record import own_record
from storescope.middleware._audit._writing._tails import heads_of
from storescope.middleware._files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    from storescope.middleware._audit._files import Segment

PACK_BYTES = 64 * 1024
"""Smaller segments stay as they are: packing them would gain little."""

DAY_SECONDS = 86_400.0
_IN_ONE_RECORD = 500  # removed segments
_STALE_SECONDS = 3_600.0
_TOMBSTONE, _SEAL = b'"phase":"tombstone"', b'"phase":"seal"'


@contextmanager
def alone(folder: Path) -> Generator[bool]:
    """Keep other processes from packing and removing meanwhile; False if one of them is at it."""
    file = os.open(folder / ".upkeep", os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(file)


def pack(folder: Path, mine: str | None) -> None:
    """Compress every closed segment that is worth it.

    A stream's last segment waits until a header has given its head: who opens the next stream reads it from the
    end of the plain file.

    Args:
        folder: The audit folder.
        mine: The stream that is being written to.

    Raises:
        OSError: If that fails; every segment is still there, in one form or both.
    """
    ungiven = {head.stream for head in heads_of(folder)}
    for stream, segments in streams_of(folder).items():
        done = segments[:-1] if stream == mine or stream in ungiven else segments
        for segment in done:
            if segment.packed or segment.path.stat().st_size < PACK_BYTES:
                continue
            seal = closing_seal(segment)
            # A stream that ends where a segment does was left by its writer, and recovery reads on from there.
            if seal is not None and (segment is not segments[-1] or seal["closes"] == "stream"):
                _pack(segment.path)


def _pack(path: Path) -> None:
    draft, packed = path.with_name(f"{path.name}.gz.part"), path.with_name(f"{path.name}.gz")
    try:
        with path.open("rb") as plain, draft.open("wb") as out:
            with gzip.GzipFile("", "wb", fileobj=cast("Any", out), mtime=0) as file:
                shutil.copyfileobj(plain, file, 1024 * 1024)
            os.fchmod(out.fileno(), 0o640)
            out.flush()
            os.fsync(out.fileno())
        found = path.stat()
        os.utime(draft, ns=(found.st_atime_ns, found.st_mtime_ns))
        draft.rename(packed)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)
    path.unlink()


def closing_seal(segment: Segment) -> dict[str, Any] | None:
    """Return the seal that closes a segment; None if it is not closed."""
    record: dict[str, Any] = {}
    with suppress(ValueError):  # the verifier says what that line is
        line, torn = end_of(segment)
        if line is not None and _SEAL in line and not torn:
            record = json.loads(line)
    return record if record.get("closes") in {"segment", "stream"} else None


def remove(folder: Path, mine: str | None, retain_days: float, say: Callable[[str], bool]) -> None:
    """Take away the closed segments that are older than `retain_days`, oldest first.

    Args:
        folder: The audit folder.
        mine: The stream that is being written to.
        retain_days: How long a segment is kept after it was closed, in days.
        say: Writes a record, from `phase` on, and brings it to the disk; returns whether it could.

    Raises:
        OSError: If a file cannot be read or removed.
    """
    before = time.time() - retain_days * DAY_SECONDS
    streams = streams_of(folder)
    gone: list[tuple[Segment, dict[str, Any]]] = []
    for stream, segments in streams.items():
        gone += _removable(segments, before, live=stream == mine)
    if not gone:
        return
    entries = _carried(segment for segment, _ in gone) | {
        seal["stream"]: _entry(each, seal) for each, seal in gone
    }
    removed = list(entries.values())
    for begin in range(0, len(removed), _IN_ONE_RECORD):
        part = {"removed": removed[begin : begin + _IN_ONE_RECORD], "retain_days": retain_days}
        if not say(own_record("tombstone", part)):
            return
    for segment, _ in gone:
        for path in (segment.path, segment.path.with_name(f"{segment.path.name}.gz")):  # it may be there twice
            path.unlink(missing_ok=True)
    for stream in {segment.stream for segment, _ in gone} - set(streams_of(folder)):
        (folder / f"{stream}.recovered").unlink(missing_ok=True)
    sync_folder(folder)


def sweep(folder: Path) -> None:
    """Take away drafts that a writer left when it was stopped."""
    for draft in folder.glob("*.part"):
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < time.time() - _STALE_SECONDS:
                draft.unlink()


def _removable(segments: list[Segment], before: float, *, live: bool) -> Iterable[tuple[Segment, dict[str, Any]]]:
    """Yield the oldest segments of a stream that were closed before a time, with the seals that closed them."""
    for segment in segments[:-1] if live else segments:
        if segment.path.stat().st_mtime >= before:  # cheap; the seal's own time decides
            return
        seal = closing_seal(segment)
        if seal is None or _seconds(seal["ts"]) >= before:
            return
        if seal["closes"] == "segment" and segment is segments[-1]:
            return  # its writer was stopped before it made the next: the stream's end stays to be seen
        yield segment, seal


def _entry(segment: Segment, seal: dict[str, Any]) -> dict[str, Any]:
    said = {name: seal[name] for name in ("seq", "mac", "epoch", "closes")}
    return {"stream": segment.stream, "segment": segment.number, **said, "sealed_at": seal["ts"]}


def _carried(segments: Iterable[Segment]) -> dict[str, dict[str, Any]]:
    """Return, by stream, the entries of tombstones that are about to go, those with the highest segments."""
    entries: dict[str, dict[str, Any]] = {}
    for segment in segments:
        with segment.open() as file:
            while line := file.readline(MOST_LINE_BYTES):
                if _TOMBSTONE in line:
                    for entry in json.loads(line)["removed"]:
                        known = entries.get(entry["stream"])
                        if known is None or known["segment"] <= entry["segment"]:
                            entries[entry["stream"]] = entry
    return entries


def _seconds(ts: str) -> float:
    return datetime.fromisoformat(ts).timestamp()
