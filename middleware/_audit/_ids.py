"""Ids in the audit log are keyed hashes, so that the log names nobody and can still be searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.errors import AuditError
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._keys import load_or_make_id_key_file
from storescope.middleware._audit._record import Circumstances
from storescope.middleware._hmac import Hmac

if TYPE_CHECKING:
    from pathlib import Path

HASH_CHARS = 32
"""Hex digits that are kept of an id's HMAC-SHA256: 128 bits."""


class IdHasher:
    """Turns ids into the JSON that stands in a record."""

    def __init__(self, key: bytes) -> None:
        self._digest = Hmac(key).digest

    def hash(self, id_: str) -> str:
        """Return the keyed hash of an id."""
        return self._digest(id_.encode("utf-8", "surrogatepass")).hex()[:HASH_CHARS]

    def of(self, record_id: str | None, session_id: str | None) -> tuple[str, str]:
        """Return the JSON of a record's and a session's id."""
        record = "null" if record_id is None else f'"{self.hash(record_id)}"'
        if session_id is None:
            return record, "null"
        return record, record if session_id == record_id else f'"{self.hash(session_id)}"'


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


class Ids:
    """What the records of a stack have in common, in whichever sinks they end.

    Attributes:
        hasher: What ids are written with; nothing is written of them until there is a key.
        circumstances: The parts of records that recur.
    """

    def __init__(self) -> None:
        self.hasher: IdHasher = NO_IDS
        self.circumstances = Circumstances()


def ids_of_key_file(path: Path) -> Ids:
    """Return what a stack without a file log has in its place, so that ids are hashed there too.

    Raises:
        AuditError: If the key can be neither read nor made.
    """
    ids = Ids()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ids.hasher = IdHasher(load_or_make_id_key_file(path))
    except OSError as error:
        raise AuditError(f"{path}: the key for ids cannot be read or made: {error.strerror}") from None
    return ids
