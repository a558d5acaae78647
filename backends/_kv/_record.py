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
    """A record, encoded.

    Attributes:
        value: The value.
        tails: The tails of its index entries.
        metadata: What the caller wants kept beside the value; None for nothing.
    """

    value: bytes
    tails: list[str]
    metadata: Any

    def beside(self) -> bytes:
        """Return what an engine keeps beside the value."""
        kept: dict[str, Any] = {"i": self.tails} if self.tails else {}
        if self.metadata is not None:
            kept["m"] = self.metadata
        return encode(kept) if kept else b""


def read_beside(entry: Entry) -> tuple[list[str], Any]:
    """Return the tails and the metadata that are kept beside a value."""
    if not entry.metadata:
        return [], None
    kept = decode(entry.metadata)
    return kept.get("i", []), kept.get("m")


def pauses() -> Iterator[float]:
    """Yield how long to wait after each try that lost to another writer, in seconds.

    The longest doubles with every try, up to half a second, and chance decides (exponential backoff with full
    jitter, as the AWS Architecture Blog describes it): of fifty who write one record at once, all get through.
    """
    for number in range(_TRIES):
        yield uniform(0, min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE))  # noqa: S311 (no secret)
