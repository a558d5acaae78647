"""What is stored of a record, and the pauses between two tries to change it."""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple

from storescope.backends._codec import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storescope.backends._kv._engine import Entry

_TRIES = 64
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.5  # seconds


class Record(NamedTuple):
    """A record to be written.

    Attributes:
        value: The value, encoded.
        starts: What the tails of its index entries begin with.
        metadata: What the caller wants kept beside the value; None for nothing.
    """

    value: bytes
    starts: list[str]
    metadata: Any


def beside(tails: list[str], metadata: Any, versions: dict[str, str]) -> bytes:
    """Return what an engine keeps beside a value.

    Args:
        tails: The tails of its index entries.
        metadata: What the caller wants kept; None for nothing.
        versions: Of entries that were renewed before this write, by their tails: their versions.
    """
    kept: dict[str, Any] = {"i": tails} if tails else {}
    if metadata is not None:
        kept["m"] = metadata
    if versions:
        kept["v"] = [versions.get(tail, "") for tail in tails]
    return encode(kept) if kept else b""


def read_beside(entry: Entry) -> tuple[list[str], Any]:
    """Return the tails and the metadata that are kept beside a value."""
    if not entry.metadata:
        return [], None
    kept = decode(entry.metadata)
    return kept.get("i", []), kept.get("m")


def entry_version(entry: Entry, tail: str) -> str | None:
    """Return the version that an index entry was given before this write of the record; None if it was not."""
    kept = decode(entry.metadata) if entry.metadata else {}
    tails, versions = kept.get("i", []), kept.get("v", [])
    return versions[tails.index(tail)] or None if versions and tail in tails else None


def pauses() -> Iterator[float]:
    """Yield how long to wait after each try that lost to another writer, in seconds.

    The longest doubles with every try, up to half a second, and chance decides (exponential backoff with full
    jitter, as the AWS Architecture Blog describes it): of fifty who write one record at once, all get through.
    """
    for number in range(_TRIES):
        yield uniform(0, min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE))  # noqa: S311 (no secret)
