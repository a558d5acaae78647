"""What every test of a benchmark is spared."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from benchmarks import _rounds, list_memory


@pytest.fixture(autouse=True)
def no_great_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collect no garbage before each round: in a process full of tests it takes longer than what is measured."""
    for module in (_rounds, list_memory):
        monkeypatch.setattr(module, "gc", Mock())
