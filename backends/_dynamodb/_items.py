"""How records lie in the table.

| record | pk | sk | attributes |
|---|---|---|---|
| session, sandbox, setup | `TENANT#session#ID` | `-` | `kind`, `ver`, `body` |
| message, part: the record | `TENANT#messages#SESSION` | a number | `id`, `ver`, `body`; `moving`, or `gone` |
| message, part: the pointer | `TENANT#message#ID` | `-` | `kind`, `ver`, `home`, `seq`; `old_home`, `old_seq` |
| a session's counter | `TENANT#messages#SESSION` | `-` | `n` |
| the residency marker | `$residency` | `-` | `marker` |

The tenant is percent-encoded, so that no id or tenant reaches a key of another, and stands first, so that an IAM
policy can hold a role to one tenant (`dynamodb:LeadingKeys`).
"""

from __future__ import annotations

from secrets import token_hex
from typing import TypeAlias
from urllib.parse import quote, unquote

from storescope import RecordTooLargeError

Item: TypeAlias = dict[str, str]
Key: TypeAlias = dict[str, dict[str, str]]

ALONE = "-"
"""The sort key of an item that has its partition to itself, and of a session's counter; before all digits."""

_MAX_BYTES = 400 * 1024  # names and values of an item's attributes in UTF-8, as DynamoDB counts
_HEADROOM = 16  # for the attribute `moving`, which must fit into any record


def encoded(tenant: str) -> str:
    """Return a tenant as it stands in keys."""
    return quote(tenant, safe="") if tenant else ""


def partition(tenant: str, kind: str, id_: str) -> str:
    """Return a partition key."""
    return f"{encoded(tenant)}#{kind}#{id_}"


def read_partition(pk: str) -> tuple[str, str]:
    """Return the tenant and the id in a partition key."""
    tenant, _, id_ = pk.split("#", 2)
    return unquote(tenant), id_


def key(pk: str, sk: str = ALONE) -> Key:
    """Return an item's key as the SDK takes it."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def new_version() -> str:
    """Return what no version of an item was before."""
    return token_hex(8)


def check_size(item: Item) -> Item:
    """Hold a record's item to what DynamoDB keeps, and return it.

    Raises:
        RecordTooLargeError: If it is too large.
    """
    size = _HEADROOM + sum(len(name) + _bytes(value) for name, value in item.items())
    if size > _MAX_BYTES:
        raise RecordTooLargeError(
            f"the record is larger than the {_MAX_BYTES:,} bytes that DynamoDB keeps in an item"
        )
    return item


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
