"""Heads that were kept elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from storescope.errors import AuditError
from storescope.middleware._audit._files import MOST_LINE_BYTES
from storescope.middleware._audit._head import Head
from storescope.middleware._audit._verify._parse import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def heads_of_anchor(path: Path) -> Iterator[Head]:
    """Yield the heads of an anchor: JSON Lines with `stream`, `seq` and `mac`; whatever else it holds is ignored.

    Raises:
        AuditError: If it cannot be read, or holds no head.
    """
    empty = True
    try:
        with path.open("rb") as file:
            while line := file.readline(MOST_LINE_BYTES):
                head = _head(line)
                if head is not None:
                    empty = False
                    yield head
    except OSError as error:
        raise AuditError(f"{path}: the anchor cannot be read: {error.strerror}") from None
    if empty:
        raise AuditError(
            f"{path}: holds no head; an anchor has lines as `storescope audit anchor` prints them, "
            'JSON objects with "stream", "seq" and "mac"'
        )


def _head(line: bytes) -> Head | None:
    try:
        given = json.loads(line.decode())
        stream, seq, mac = given["stream"], given["seq"], given["mac"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return Head(stream, seq, mac) if type(stream) is str and is_number(seq) and type(mac) is str else None
