"""HMAC-SHA256 (RFC 2104) with its key absorbed once."""

from __future__ import annotations

import hashlib

_BLOCK_BYTES = 64  # SHA-256's block


class Hmac:
    """HMAC-SHA256: two thirds of the cost of copying an `hmac` object per message."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: bytes) -> bytes:
        """Return the 32 bytes of the MAC."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()
