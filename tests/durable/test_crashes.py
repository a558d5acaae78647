"""`kill -9` of a worker at random points: no completed call runs its handler again, and the end is the same."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.durable import dbos_worker, temporal_worker
from tests.durable.crashes import Crash, crash
from tests.durable.workload import CALLS, WRITES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.durable.temporal_server import TemporalServer
    from tests.durable.workload import Job
    from tests.servers import PostgresServer

LONG = "STORESCOPE_LONG" in os.environ
PAUSE = 0.02
pytestmark = [
    pytest.mark.timeout(3600 if LONG else 300),  # several processes come and go in each round
    pytest.mark.unmeasured,
]


def crash_again_and_again(
    root: Path,
    rounds: int,
    work: Callable[[Job], None],
    store: Callable[[Path], str],
    engine: Callable[[Path], str],
) -> None:
    """Go through the rounds; in every second one the store makes writes once."""
    chance = random.Random(4711)
    crashes: list[Crash] = []
    for number in range(rounds):
        folder = root / str(number)
        folder.mkdir()
        url = store(folder) + ("&effect_days=1" if number % 2 else "")
        job: Job = {"store": url, "engine": engine(folder), "folder": str(folder), "workflow": f"w{uuid4().hex}"}
        crashes.append(crash(work, job, chance, pause=PAUSE))
    assert all(found.calls == CALLS for found in crashes)
    twice = sum(found.twice for found in crashes)
    interrupted = sum(found.interrupted for found in crashes)
    effects = sum(found.effects for found in crashes[::2]) - len(crashes[::2]) * WRITES
    print(  # noqa: T201 (for whoever runs the full numbers of rounds, with -s)
        f"{len(crashes)} rounds: {interrupted} calls under way at the kill, {twice} handlers run twice; "
        f"{effects} writes applied twice without effect_days, none with"
    )


def test_dbos_on_sqlite(tmp_path: Path) -> None:
    crash_again_and_again(
        tmp_path,
        100 if LONG else 2,
        dbos_worker.work,
        lambda folder: f"local:{folder / 'store'}?create=true",
        lambda folder: f"sqlite:///{folder / 'dbos.sqlite'}",
    )


def test_dbos_on_postgres(tmp_path: Path, shared_postgres_server: PostgresServer) -> None:
    url = shared_postgres_server.url
    crash_again_and_again(
        tmp_path,
        50 if LONG else 1,
        dbos_worker.work,
        lambda _: f"{url}?migrate=true&schema=crash_{uuid4().hex}",
        lambda _: url,
    )


def test_temporal(tmp_path: Path, temporal_server: TemporalServer) -> None:
    crash_again_and_again(
        tmp_path,
        20 if LONG else 1,
        temporal_worker.work,
        lambda folder: f"local:{folder / 'store'}?create=true",
        lambda _: temporal_server.address,
    )
