"""How the log writes JSON."""

from __future__ import annotations

import json
from typing import Any


def to_json(value: Any) -> str:
    """Return compact JSON in ASCII; lone surrogates survive as escapes."""
    return json.dumps(value, separators=(",", ":"))
