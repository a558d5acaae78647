"""The records of one session, as they lie in one store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from storescope.backends._codec import encode
from storescope.backends._names import check_name
from storescope.context import call_context
from storescope.errors import InvalidRecordError
from storescope.middleware._region._labels import FIELD

if TYPE_CHECKING:
    from storescope.call import BackendInfo
    from storescope.contract import Handler


class Row(NamedTuple):
    """One record.

    Attributes:
        entity: `session`, `message` or `part`.
        id: Its id; empty if nothing says it.
        record: The record, its label included.
    """

    entity: str
    id: str
    record: dict[str, Any]

    @property
    def bare(self) -> dict[str, Any]:
        """The record without its label."""
        return {name: value for name, value in self.record.items() if name != FIELD}

    def digest(self, salt: bytes) -> str:
        """Return a digest of the record without its label; salted, since short contents could be guessed.

        It is BLAKE2b (RFC 7693) of 32 bytes, keyed with the salt, over the entity, a NUL, the id, a NUL, and the
        record as the stores write it: compact JSON, its fields in the order of their names.
        """
        text = encode({name: self.bare[name] for name in sorted(self.bare)})
        named = f"{self.entity}\0{self.id}\0".encode()  # so that nobody sees which contents are the same
        return hashlib.blake2b(named + text, key=salt, digest_size=32).hexdigest()


class Purger(Protocol):
    """What a move needs of `Backend.admin`."""

    async def purge(self, entity: str, id: str) -> bool:
        """Delete a record."""
        ...


class Store(Protocol):
    """A `Backend`, as far as a move uses it."""

    @property
    def info(self) -> BackendInfo:
        """What is known of it."""
        ...

    @property
    def admin(self) -> Purger:
        """What an operator may do."""
        ...

    def __getitem__(self, name: str, /) -> Handler:
        """Return a handler."""
        ...


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a move.

    Attributes:
        region: Where it is.
        backend: The store.
    """

    region: str
    backend: Store

    async def rows(self, session: str, tenant: str) -> list[Row]:
        """Return the session's records: messages, then parts, each in order, and the session itself last."""
        with call_context(tenant=tenant):
            rows = [
                Row(entity, _id_of(record), record)
                for entity in ("message", "part")
                for record in await self.backend[f"{entity}.listBySession"](session_id=session)
            ]
            own = await self.backend["session.get"](id=session)
        return rows if own is None else [*rows, Row("session", session, own)]

    async def get(self, entity: str, id: str, tenant: str) -> Any:
        """Return a record as it lies there."""
        with call_context(tenant=tenant):
            return await self.backend[f"{entity}.get"](id=id)

    async def put(self, row: Row, label: dict[str, str], tenant: str) -> None:
        """Write a record under another label."""
        with call_context(tenant=tenant):
            await self.backend[f"{row.entity}.set"](id=row.id, value={**row.bare, FIELD: label})

    async def try_purge(self, tenant: str) -> None:
        """Delete what is not there.

        Raises:
            UnsupportedOperationError: If nothing can be deleted there.
        """
        with call_context(tenant=tenant):
            await self.backend.admin.purge("session", token_hex(16))

    async def purge(self, row: Row, tenant: str) -> bool:
        """Delete a record, and return whether it was there; one that does not name its id stays."""
        with call_context(tenant=tenant):
            return bool(row.id) and await self.backend.admin.purge(row.entity, row.id)


def _id_of(record: dict[str, Any]) -> str:
    label = record.get(FIELD)
    id_ = label.get("id") if isinstance(label, dict) else None
    found = id_ if id_ is not None else record.get("id")
    try:
        return check_name(found, "the id") if isinstance(found, str) else ""
    except InvalidRecordError:  # no record has such an id
        return ""
