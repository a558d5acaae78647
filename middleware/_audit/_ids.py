"""Ids in the audit log are keyed hashes, so that the log names nobody and can still be searched."""

from __future__ import annotations

from storescope.middleware._audit._json import to_json
from storescope.middleware._hmac import Hmac

HASH_CHARS = 32
"""Hex digits that are kept of an id's HMAC-SHA256: 128 bits."""


class IdHasher:
    """Turns ids into the JSON that stands in a record."""

    def __init__(self, key: bytes) -> None:
        self._mac = Hmac(key)

    def hash(self, id_: str) -> str:
        """Return the keyed hash of an id."""
        return self._mac.digest(id_.encode(errors="surrogatepass")).hex()[:HASH_CHARS]

    def of(self, record_id: str | None, session_id: str | None) -> tuple[str, str]:
        """Return the JSON of a record's and a session's id."""
        record = "null" if record_id is None else f'"{self.hash(record_id)}"'
        if session_id == record_id:
            return record, record
        return record, "null" if session_id is None else f'"{self.hash(session_id)}"'


class _NoIds(IdHasher):
    """Says nothing of ids."""

    def of(self, record_id: str | None, session_id: str | None) -> tuple[str, str]:
        """Return JSON that names no record and no session."""
        del record_id, session_id
        return "null", "null"


NO_IDS = _NoIds(b"")


class ClearIds(IdHasher):
    """Writes ids as they are, for who asked for it."""

    def of(self, record_id: str | None, session_id: str | None) -> tuple[str, str]:
        """Return the JSON of a record's and a session's id."""
        return to_json(record_id), to_json(session_id)
