"""What a scan returns, and the cursors of stores that keep their records in order of tenant and id."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

import orjson

from storescope import InvalidRecordError
from storescope.backends._codec import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.backends._codec import Record


class ScannedRecord(NamedTuple):
    """A record that a scan found, as it is stored, reserved fields included.

    Attributes:
        tenant: Whose it is; empty where tenants share.
        id: Its id, which the record itself need not hold.
        record: The record.
    """

    tenant: str
    id: str
    record: Record


class ScanPage(NamedTuple):
    """A part of what a scan finds.

    Attributes:
        records: Some records; there may be none in a page that is not the last.
        cursor: What to give to the next `scan`; None after the last page. It may hold an id.
    """

    records: list[ScannedRecord]
    cursor: str | None


def bad_cursor() -> InvalidRecordError:
    """Return the error for a cursor that no scan gave."""
    return InvalidRecordError("scan: the cursor must be None, or what the scan of this entity returned last")


def read_place(cursor: str | None) -> tuple[str, str]:
    """Return the tenant and id after which a page begins.

    Raises:
        InvalidRecordError: If it is not what `cursor_at` wrote.
    """
    if cursor is None:
        return "", ""  # before every id: none is empty
    try:
        tenant, id_ = orjson.loads(urlsafe_b64decode(cursor))
    except (ValueError, TypeError):
        raise bad_cursor() from None
    if not (isinstance(tenant, str) and isinstance(id_, str)):
        raise bad_cursor()
    return tenant, id_


def page_of(rows: Sequence[tuple[str, str, bytes]], limit: int) -> ScanPage:
    """Return a page of rows `(tenant, id, encoded record)`, in order; a full one may have another after it."""
    records = [ScannedRecord(tenant, id_, decode(text)) for tenant, id_, text in rows]
    if len(rows) < limit:
        return ScanPage(records, None)
    return ScanPage(records, cursor_at(*rows[-1][:2]))


def cursor_at(tenant: str, id_: str) -> str:
    """Return the cursor of what comes after a place; `read_place` reads it."""
    return urlsafe_b64encode(orjson.dumps((tenant, id_))).decode()
