"""How much is run: a part in `make test`, all of it in `make test-long`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "STORESCOPE_LONG" in os.environ
"""Whether to try every combination, and to take the full time."""

SCALE = int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1"))
"""By how much make test-long multiplies numbers of rounds."""


def on_stores(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a test of `backend_url` run on these kinds of store; in make test-long, on every one."""
    return (lambda test: test) if LONG else pytest.mark.parametrize("backend_url", kinds, indirect=True)
