"""The benchmark of pins runs, and what it counts holds; what it times is for `make bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import pins

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_with_the_lease_held_no_call_asks_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted between the process and a real registry, over all fifteen operations."""
    for name, few in (("CALLS", 2), ("ROUNDS", 1), ("ALIKE", 3)):
        monkeypatch.setattr(pins, name, few)
    result = await pins.run(tmp_path)
    assert len(result.rows) == 8
    first, held = result.rows[-2:]
    assert first.value > held.value == 0
