"""What keys are called. The tenant is percent-encoded and the prefix has no colon: no id reaches another's key.

| | one server | cluster |
|---|---|---|
| record, or pointer to a message or part | `PREFIX:TENANT:ENTITY:ID` | `PREFIX:{TENANT:ID}:ENTITY` |
| a session's messages, its parts | `PREFIX:TENANT:ENTITYs:SESSION` | `PREFIX:{TENANT:SESSION}:ENTITYs` |

In a cluster the text in braces decides which slot a key is in, and so a session, its messages and its parts are in
one. An id with a brace ends that text sooner: its key is still its own, and in one slot with the session's others.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote


class Named(NamedTuple):
    """What a record's key says."""

    tenant: str
    entity: str
    id: str


class Keys(Protocol):
    """How keys are made from names, and read again."""

    def record(self, tenant: str, entity: str, id: str) -> str:
        """Return the key of a record, or of the pointer to it."""
        ...

    def every(self, tenant: str | None, entity: str) -> str:
        """Return the glob pattern of a tenant's such keys, or of everybody's. It may match more."""
        ...

    def read(self, key: bytes) -> Named:
        """Take such a key apart."""
        ...


class PlainKeys:
    """The keys of one server."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def record(self, tenant: str, entity: str, id: str) -> str:
        """Return the key of a record, or of the pointer to it."""
        return f"{self._prefix}:{_encode(tenant)}:{entity}:{id}"

    def sessions(self, tenant: str, entity: str) -> str:
        """Return what the keys of all the tenant's session hashes begin with."""
        return f"{self._prefix}:{_encode(tenant)}:{entity}s:"

    def every(self, tenant: str | None, entity: str) -> str:
        """Return the glob pattern of a tenant's such keys, or of everybody's. It may match more."""
        return f"{self._prefix}:*:{entity}:*" if tenant is None else self.record(tenant, entity, "*")

    def read(self, key: bytes) -> Named:
        """Take such a key apart."""
        _, tenant, entity, id_ = key.decode().split(":", 3)
        return Named(unquote(tenant), entity, id_)


class SlotKeys:
    """The keys of a cluster."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def record(self, tenant: str, entity: str, id: str) -> str:
        """Return the key of a record, or of the pointer to it."""
        return f"{self._prefix}:{{{_encode(tenant)}:{id}}}:{entity}"

    def session(self, tenant: str, entity: str, session_id: str) -> str:
        """Return the key of a session's hash."""
        return f"{self._prefix}:{{{_encode(tenant)}:{session_id}}}:{entity}s"

    def every(self, tenant: str | None, entity: str) -> str:
        """Return the glob pattern of a tenant's such keys, or of everybody's."""
        return f"{self._prefix}:{{*}}:{entity}" if tenant is None else self.record(tenant, entity, "*")

    def read(self, key: bytes) -> Named:
        """Take such a key apart."""
        name, _, entity = key.decode().partition(":{")[2].rpartition("}:")
        tenant, _, id_ = name.partition(":")
        return Named(unquote(tenant), entity, id_)


def _encode(tenant: str) -> str:
    return quote(tenant, safe="") if tenant else ""
