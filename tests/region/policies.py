"""A policy as a dict, to be bent by tests."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

EU, EU_2, US = "aws:eu-west-1", "aws:eu-central-1", "aws:us-east-1"
_SOUND: dict[str, Any] = {
    "schema": "residency/1",
    "version": "7",
    "mode": "enforce",
    "min_confidence": "declared",
    "regions": {"eu": [EU, EU_2], "us": [US]},
    "tenants": {"acme": "eu-only", "globex": "us-data"},
    "rules": {
        "eu-only": {"store": ["eu"], "access": ["eu"], "home": EU},
        "us-data": {"store": ["us"], "access": ["us", "eu"], "home": US, "telemetry": ["us"]},
    },
    "exceptions": [
        {
            "id": "support",
            "rule": "eu-only",
            "operations": ["session.get"],
            "access": ["us"],
            "reason": "incident",
            "approved_by": ["one@acme", "two@acme"],
            "expires": "2026-12-01T00:00:00Z",
        }
    ],
}


def sound(**changes: Any) -> dict[str, Any]:
    """Return a sound policy with some top-level keys replaced."""
    return {**deepcopy(_SOUND), **changes}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a sound policy with one value set, or removed if it is `...`."""
    policy = sound()
    *parents, last = path.split("/")
    table: Any = policy
    for name in parents:
        table = table[int(name)] if isinstance(table, list) else table[name]
    if value is ...:
        del table[last]
    else:
        table[last] = value
    return policy
