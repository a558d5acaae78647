"""Reads how far the streams of a folder have come, from the end of their files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_BYTES = 65_536


def heads_of(folder: Path) -> list[tuple[str, int, str]]:
    """Return stream, number and MAC of the last whole record of every stream in the folder."""
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.jsonl")):
        files[path.name.split(".")[0]] = path  # the last segment wins
    return [(stream, *last) for stream, path in files.items() if (last := _last_record(path)) is not None]


def _last_record(path: Path) -> tuple[int, str] | None:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        lines = file.read().split(b"\n")
    if len(lines) < 2:  # noqa: PLR2004 (a whole line leaves something behind its end)
        return None
    try:
        record = json.loads(lines[-2])
        return int(record["seq"]), str(record["mac"])
    except (ValueError, KeyError, TypeError):
        return None  # damaged: the verifier says how
