"""What a request may ask of the viewer. Past these it is refused, or cut with a word that says so."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

MOST_BODY_BYTES = 16 * 1024 * 1024
"""Of one request, packed and unpacked."""

MOST_SPANS = 100_000
"""Of one request: 16 MiB can name millions that say nothing."""

MOST_OBJECTS = 1_000_000
"""Of one request in JSON, lists among them: a span as storescope makes it has about 30."""

MOST_ATTRIBUTES = 256
"""Of one span, event or link; the SDKs' own limit is 128."""

MOST_EVENTS = 256
"""Of one span, and as many links."""

MOST_VALUE_CHARS = 16 * 1024
"""Of one attribute's value."""

MOST_NAME_CHARS = 1_024
"""Of a name or key, and of what is filtered by."""

MOST_SEARCHED_CHARS = 1_000
"""Of a span's names and values together, that free text is looked for in."""

MOST_NESTING = 20
"""Of lists and maps in an attribute's value."""

_CHUNK_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class RefusedError(Exception):
    """A request that is not taken.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(chunks: AsyncIterable[bytes], encoding: str) -> bytes:
    """Return a request's body, unpacked.

    Args:
        chunks: The body as it arrives.
        encoding: The header Content-Encoding, empty without one.

    Raises:
        RefusedError: If it is larger than `MOST_BODY_BYTES`, does not unpack or is packed otherwise.
    """
    encoding = encoding.strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise RefusedError(415, f"Content-Encoding must be gzip or left out, not {encoding[:40]!a}")
    packed = bytearray()
    async for chunk in chunks:
        packed += chunk
        _hold(len(packed))
    return unpack(bytes(packed)) if encoding == "gzip" else bytes(packed)


def unpack(packed: bytes) -> bytes:
    """Unpack gzip, and stop as soon as it is too much.

    Raises:
        RefusedError: If it is, or it is no gzip.
    """
    out = bytearray()
    rest = packed
    try:
        while rest:  # a file may have several members
            member = zlib.decompressobj(_GZIP)
            while rest and not member.eof:
                out += member.decompress(rest, _CHUNK_BYTES)
                _hold(len(out))
                rest = member.unconsumed_tail
            if not member.eof:
                out += member.flush()
                _hold(len(out))
            if not member.eof:
                raise RefusedError(400, "the gzip body ends too early")
            rest = member.unused_data
    except zlib.error:
        raise RefusedError(400, "the body is not gzip, which Content-Encoding says that it is") from None
    return bytes(out)


def _hold(size: int) -> None:
    if size > MOST_BODY_BYTES:
        raise RefusedError(413, f"a request may hold {MOST_BODY_BYTES // 1024 // 1024} MiB, unpacked")


def cut(text: str, most: int) -> str:
    """Return a text, cut if it is too long, with a word that says how much is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters were cut off)"
