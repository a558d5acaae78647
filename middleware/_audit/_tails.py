"""Reads how far the streams of a folder have come, from the end of their files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_BYTES = 65_536
_MOST_BYTES = 16 * 1024 * 1024  # what the verifier takes for a line at most


def heads_of(folder: Path) -> list[tuple[str, int, str]]:
    """Return stream, number and MAC of the last whole record of every stream in the folder."""
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.jsonl")):
        if path.is_file():  # a pipe would never answer
            files[path.name.split(".")[0]] = path  # the last segment wins
    return [(stream, *last) for stream, path in files.items() if (last := _last_record(path)) is not None]


def _last_record(path: Path) -> tuple[int, str] | None:
    try:
        record = json.loads(_last_line(path))
        seq, mac = record["seq"], record["mac"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # damaged: the verifier says how
    return (seq, mac) if type(seq) is int and type(mac) is str else None


def _last_line(path: Path) -> bytes:
    """Return the last whole line of a file; nothing if there is none."""
    with path.open("rb") as file:
        size, tail = file.seek(0, os.SEEK_END), _TAIL_BYTES
        while True:  # a header with many announcements may be long
            file.seek(max(0, size - tail))
            begin, _, _ = file.read(tail).rpartition(b"\n")
            _, found, line = begin.rpartition(b"\n")
            if found or tail >= min(size, _MOST_BYTES):
                return line
            tail *= 4
