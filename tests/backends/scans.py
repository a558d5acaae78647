"""A scan to its end, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storescope.backends import Backend, ScannedRecord


async def scan_all(backend: Backend, entity: str, **options: Any) -> list[ScannedRecord]:
    """Return what all pages of a scan hold."""
    found: list[ScannedRecord] = []
    cursor: str | None = None
    while True:
        records, cursor = await backend.admin.scan(entity, cursor, **options)
        found += records
        if cursor is None:
            return found
