"""What a durable step costs, against the engine's own empty step: DBOS on SQLite, in one workflow each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dbos import DBOS

from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from storescope import StorageClient
from storescope.durable.dbos import step

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope import Store

STEPS, ROUNDS, LIMIT = 50, 21, 1.1


async def _empty(_: Store) -> None: ...


_agent = StorageClient(step(_empty))


@DBOS.step()
async def _empty_step() -> None: ...


@DBOS.workflow()
async def _engine_alone(steps: int) -> None:
    for _ in range(steps):
        await _empty_step()


@DBOS.workflow()
async def _storage_steps(steps: int) -> None:
    for _ in range(steps):
        await _agent.session.get("s1")


async def run(folder: Path, *, steps: int = STEPS, rounds: int = ROUNDS) -> Result:
    """Measure whole workflows, and divide by their steps."""
    config: Any = {
        "name": "benchmark",
        "system_database_url": f"sqlite:///{folder / 'dbos.sqlite'}",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    contenders: dict[str, Work] = {
        "DBOS, its own empty step": partial(_engine_alone, steps),
        "DBOS, a storage step": partial(_storage_steps, steps),
    }
    figures = await microseconds(contenders, calls=1, rounds=rounds)
    DBOS.destroy()
    own, ours = figures
    per_step = {name: [value / steps for value in values] for name, values in figures.items()}
    rows = [
        Row(own, median(per_step[own]), 1.0),
        Row(ours, median(per_step[ours]), ratio(per_step, ours, own), LIMIT),
    ]
    return Result("what a durable step costs", rows, {"steps": per_step}, unit="us a step (median)")
