"""How much is run: a part in `make test`, all of it in `make test-long`."""

from __future__ import annotations

import os

LONG = "STORESCOPE_LONG" in os.environ
"""Whether to try every combination, and to take the full time."""
