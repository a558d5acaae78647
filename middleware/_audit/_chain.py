"""The MAC chain: HMAC-SHA256 over the previous MAC and the line, with a key that moves forward."""

from __future__ import annotations

from storescope.middleware._hmac import Hmac

KEY_BYTES = 32
NO_MAC = bytes(32)
"""What stands for the previous MAC before a stream's first record."""


def next_key(key: bytes) -> bytes:
    """Return the key of the next epoch. There is no way back from it."""
    return Hmac(key).digest(b"storescope-audit/1 next epoch")
