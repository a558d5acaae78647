"""Hand-made audit lines, for readers: their MACs are not real."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from storescope.middleware._audit._record import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAC = "ab" * 32


def ts(second: float) -> str:
    """Return a time of one certain hour."""
    return f"2026-11-22T10:{int(second) // 60:02d}:{int(second) % 60:02d}.{round(second % 1 * 1e6):06d}Z"


def record(stream: str, seq: int, second: float, phase: str = "outcome", **fields: Any) -> dict[str, Any]:
    """Return a record's fields without its MAC."""
    own = {"seq": seq, "stream": stream, "ts": ts(second), "phase": phase}
    call = {"operation": "session.get", "attempt": 1, "outcome": "ok"} if phase == "outcome" else {}
    return {**dict.fromkeys(FIELDS), **own, **call, **fields}


def line(stream: str, seq: int, second: float, phase: str = "outcome", **fields: Any) -> bytes:
    """Return a record's line, with its line feed."""
    made = {**record(stream, seq, second, phase, **fields), "mac": MAC}
    return json.dumps(made, separators=(",", ":")).encode() + b"\n"


def write(folder: Path, stream: str, segment: int, lines: Iterable[bytes], *, packed: bool = False) -> Path:
    """Write a segment's file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{stream}.{segment:06d}.jsonl{'.gz' if packed else ''}"
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def pack(path: Path) -> Path:
    """Compress a segment as a writer does: the packed form is there before the plain one goes."""
    packed = path.with_name(f"{path.name}.gz")
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(gzip.compress(path.read_bytes()))
    draft.rename(packed)
    path.unlink()
    return packed
