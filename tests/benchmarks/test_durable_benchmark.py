"""The benchmark of durable steps runs, and compares what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import durable

if TYPE_CHECKING:
    from pathlib import Path


async def test_steps_run(tmp_path: Path) -> None:
    result = await durable.run(tmp_path, steps=3, rounds=2)
    own, ours = result.rows
    assert (own.name, own.ratio) == ("DBOS, its own empty step", 1.0)
    assert ours.limit == durable.LIMIT
    assert ours.value > 0
