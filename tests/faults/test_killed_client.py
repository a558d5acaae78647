"""`kill -9` of the client at random moments: what it was told is kept, and nothing is half-written."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from storescope.backends import open_backend
from tests.faults.audit import audit
from tests.faults.ledger import Fate, Ledger
from tests.faults.plan import Plan
from tests.faults.writer import TASKS
from tests.rounds import SCALE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.ledger import Attempt
    from tests.faults.sites import PostgresSite, RedisSite, S3Site
    from tests.servers import RedisCluster

pytestmark = pytest.mark.unmeasured

ROUNDS = 10 * SCALE if SCALE > 1 else 5
KV_ROUNDS = 7 * SCALE if SCALE > 1 else 5
SERVER_KV_ROUNDS = KV_ROUNDS if SCALE > 1 else 4
REPOSITORY = Path(__file__).parents[2]


def write_and_be_killed(url: str, seed: int, lines: int, seconds: float) -> list[str]:
    """Kill a writer some time after it said so many lines; return all that it said."""
    command = [sys.executable, "-m", "tests.faults.writer", url, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as writer:
        assert writer.stdout is not None
        said = b"".join(writer.stdout.readline() for _ in range(lines))
        time.sleep(seconds)
        writer.kill()
        said += writer.stdout.read()
    assert writer.returncode == -9, "it ended by itself"
    return said.decode().splitlines()


def replay(lines: list[str], seed: int) -> Ledger:
    """Make the ledger of what a writer said: what was begun and not ended has an unknown fate."""
    ledger = Ledger()
    plans = [Plan(task, seed) for task in range(TASKS)]
    under_way: dict[int, Attempt] = {}
    for line in lines:
        event, task = line.split()
        if event == "begin":
            history, under_way[int(task)] = plans[int(task)].next()
            ledger.begin(history, under_way[int(task)])
        else:
            ledger.end(under_way.pop(int(task)), Fate.ACKNOWLEDGED)
    return ledger


async def kill_again_and_again(
    new_url: Callable[[], str],
    settle: Callable[[], Awaitable[None]],
    *,
    rounds: int = ROUNDS,
    most_lines: int = 200,
) -> None:
    """Kill a writer in each round.

    Args:
        new_url: Makes the URL of an empty store.
        settle: Waits until the server is at nothing any more that a killed client sent.
        rounds: How many.
        most_lines: For how many lines of the writer's a round waits at most; fewer, where calls take long.
    """
    chance = random.Random(4711)
    acknowledged = under_way = 0
    for seed in range(rounds):
        url = new_url()
        # Some while the store is opened and its tables are made, some soon after, most in the middle of things.
        opened = seed % 5 > 0
        lines, seconds = (
            (chance.randint(1, most_lines), chance.uniform(0, 0.01)) if opened else (0, chance.uniform(0, 0.4))
        )
        ledger = replay(write_and_be_killed(url, seed, lines, seconds), seed)
        await settle()
        async with open_backend(url) as backend:
            await audit(backend, ledger)
            await audit(backend, ledger)  # what the next client finds stays so
        acknowledged += ledger.acknowledged
        under_way += sum(not history.is_certain for history in ledger.histories.values())
    assert acknowledged > rounds  # they were killed in the midst of work,
    assert under_way > rounds  # and of calls


async def test_a_killed_client_of_local_loses_nothing(tmp_path: Path) -> None:
    async def settled() -> None:
        """A process that is gone does nothing more."""

    await kill_again_and_again(lambda: f"local:{tmp_path / uuid4().hex}", settled)


async def test_a_killed_client_of_redis_loses_nothing(redis_site: RedisSite) -> None:
    await kill_again_and_again(lambda: f"{redis_site.url}-{uuid4().hex}", redis_site.settle)


async def test_a_killed_client_of_a_redis_cluster_loses_nothing(shared_redis_cluster: RedisCluster) -> None:
    """Also in the midst of a move, whose steps are on three nodes."""

    async def settled() -> None:
        """Each node is one thread, and takes what came first first."""

    rounds = ROUNDS if SCALE > 1 else 4
    await kill_again_and_again(lambda: f"{shared_redis_cluster.url}?prefix={uuid4().hex}", settled, rounds=rounds)


async def test_a_killed_client_of_kv_over_local_loses_nothing(tmp_path: Path) -> None:
    """A record, its index entries and their removal are writes of their own: any of them may be the last."""

    async def settled() -> None:
        """A process that is gone does nothing more."""

    await kill_again_and_again(lambda: f"kv+local:{tmp_path / uuid4().hex}", settled, rounds=KV_ROUNDS)


async def test_a_killed_client_of_kv_over_redis_loses_nothing(redis_site: RedisSite) -> None:
    url = f"kv+{redis_site.url}"
    await kill_again_and_again(lambda: f"{url}-{uuid4().hex}", redis_site.settle, rounds=KV_ROUNDS)


async def test_a_killed_client_of_kv_over_postgres_loses_nothing(postgres_site: PostgresSite) -> None:
    url = f"kv+{postgres_site.url}"
    await kill_again_and_again(
        lambda: url.replace(postgres_site.schema, f"round_{uuid4().hex}"),
        postgres_site.settle,
        rounds=SERVER_KV_ROUNDS,
        most_lines=100,
    )


async def test_a_killed_client_of_kv_over_s3_loses_nothing(s3_site: S3Site) -> None:
    prefix = s3_site.url.partition("?")[0]
    await kill_again_and_again(
        lambda: s3_site.url.replace(prefix, f"{prefix}-{uuid4().hex}"),
        s3_site.settle,
        rounds=SERVER_KV_ROUNDS,
        most_lines=100,
    )


async def test_a_killed_client_of_postgres_loses_nothing(postgres_site: PostgresSite) -> None:
    url = postgres_site.url
    await kill_again_and_again(
        lambda: url.replace(postgres_site.schema, f"round_{uuid4().hex}"), postgres_site.settle
    )


def test_what_a_killed_writer_said_is_replayed_as_it_was() -> None:
    plans = [Plan(task, 7) for task in range(TASKS)]
    ledger = replay(["begin 0", "begin 1", "end 1", "begin 1"], seed=7)
    histories = list(ledger.histories.values())
    expected = [plans[0].next(), plans[1].next(), plans[1].next()]
    got = [attempt for history in histories for attempt in history.attempts]
    assert sorted(a.body["text"] for a in got) == sorted(attempt.body["text"] for _, attempt in expected)
    assert [a.fate for a in got].count(Fate.ACKNOWLEDGED) == ledger.acknowledged == 1
