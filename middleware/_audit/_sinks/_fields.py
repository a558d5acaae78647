"""A record's fields, for sinks that hand them to another library."""

from __future__ import annotations

import json
from typing import Any


def fields_of(text: str) -> dict[str, Any]:
    """Return what a record says, in its order, without what is null.

    Half a surrogate pair, which a caller may put anywhere, is spelled out: who encodes the fields later, perhaps a
    whole batch of them, must not stumble over it.

    Args:
        text: The record's JSON from `phase` on, without braces.

    Returns:
        Its fields; text can be encoded as UTF-8.
    """
    record: dict[str, Any] = json.loads(f"{{{text}}}")
    return {name: _spelled_out(value) for name, value in record.items() if value is not None}


def _spelled_out(value: Any) -> Any:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
