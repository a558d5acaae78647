"""Rounds of `kill -9`: a worker is killed at a random point of a workflow, another ends it; all is compared."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope import StorageClient, Store, call_context
from storescope.backends import open_backend
from storescope.middleware._audit._files import streams_of
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._verify import Verdict, verify
from tests.audit.logs import records_in
from tests.durable.effects import count, count_from_now
from tests.durable.workload import CALLS, TENANT, WRITES, Runs, fifty_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from storescope.backends import Backend
    from tests.durable.workload import Job

_PATIENCE = 100.0
"""Seconds after which a worker that does nothing is an error."""

# Forked from a process that has imported everything: each would spend a second on that.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.durable.dbos_worker", "tests.durable.temporal_worker"])


@dataclass(frozen=True)
class Crash:
    """What one round showed.

    Attributes:
        calls: How many calls the workflow made, after all.
        twice: How many of them ran their handler twice.
        interrupted: How many were under way at the kill.
        effects: How often the store was written to.
    """

    calls: int
    twice: int
    interrupted: int
    effects: int


def crash(work: Callable[[Job], None], job: Job, chance: Random, *, pause: float) -> Crash:
    """Kill a worker at a random point and let another end the work.

    Args:
        work: What a worker process runs.
        job: What it is told.
        chance: Where the point is.
        pause: How many seconds a call takes at most, about: the kill comes at a random call's begin, to hit its
            handler, or within that time after it, to hit what the engine does.
    """
    folder = Path(job["folder"])
    _, secret = generate(folder / "auditor")
    asyncio.run(count_from_now(job["store"]))
    runs = Runs(folder)
    _kill(work, job, runs, after=chance.randrange(CALLS), seconds=chance.choice([0, pause]) * chance.random())
    begun, ended = runs.lines("begin"), runs.lines("end")
    _let_end(work, job)
    return check(job, runs, interrupted=len(begun) - len(ended), secret=secret)


def _kill(work: Callable[[Job], None], job: Job, runs: Runs, *, after: int, seconds: float) -> None:
    process = _CONTEXT.Process(target=work, args=(job,))
    process.start()
    give_up = time.monotonic() + _PATIENCE
    while len(runs.lines("begin")) <= after and process.is_alive():
        assert time.monotonic() < give_up, "the worker hangs"
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.join()


def _let_end(work: Callable[[Job], None], job: Job) -> None:
    process = _CONTEXT.Process(target=work, args=(job,))
    process.start()
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError("the second worker hangs")
    assert process.exitcode == 0


def check(job: Job, runs: Runs, *, interrupted: int, secret: Path) -> Crash:
    """Hold a round to what was promised."""
    folder = Path(job["folder"])
    begins = Counter(call_id for call_id, _ in runs.lines("begin"))
    assert len(begins) == CALLS  # each call kept its id
    twice = [call_id for call_id, times in begins.items() if times > 1]
    assert max(begins.values()) <= 2
    assert len(twice) <= 1  # only the one that was interrupted, or ended and not yet logged by the engine
    expected, records = asyncio.run(_uninterrupted())
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(expected))
    assert asyncio.run(_records(job["store"])) == records
    _check_audit(folder, secret, begins)
    effects = asyncio.run(count(job["store"]))
    assert effects == WRITES or (effects == WRITES + len(twice) and "effect_days" not in job["store"])
    return Crash(len(begins), len(twice), interrupted, effects)


def _check_audit(folder: Path, secret: Path, begins: Counter[str]) -> None:
    report = verify(folder / "audit", secret)
    assert report.verdict in {Verdict.INTACT, Verdict.UNSEALED}, report
    phases: dict[str, Counter[str]] = {}
    segments = [segment for stream in streams_of(folder / "audit").values() for segment in stream]
    for record in (record for segment in segments for record in records_in(segment)):
        if record["phase"] in {"intent", "outcome"} and record["call_id"]:
            assert record["tenant"] == TENANT
            phases.setdefault(record["call_id"], Counter())[record["phase"]] += 1
    assert set(phases) == set(begins)
    assert all(found["outcome"] >= 1 for found in phases.values())
    assert len([found for found in phases.values() if max(found.values()) > 1]) <= 1


async def _records(url: str) -> dict[str, Any]:
    async with open_backend(url) as backend:
        return await _all_of(backend)


async def _all_of(backend: Backend) -> dict[str, Any]:
    return {
        f"{entity} {record.id}": record.record
        for entity in ("session", "message", "part", "sandbox")
        for record in (await backend.admin.scan(entity, limit=1000)).records
    }


async def _uninterrupted() -> tuple[list[Any], dict[str, Any]]:
    async with open_backend("memory:") as backend:

        async def storage(store: Store) -> Any:
            return await store.on(backend)

        with call_context(tenant=TENANT):
            results = await fifty_calls(StorageClient(storage))
        return results, await _all_of(backend)
