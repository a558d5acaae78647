"""What happens to a Redis cluster alone: a node dies, slots move, a replica takes over, a majority is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redis.crc import key_slot

from storescope import BackendError
from storescope.backends import open_backend
from storescope.backends._redis._keys import SlotKeys
from tests.faults.audit import audit
from tests.faults.sites import TIMEOUT, go_on
from tests.faults.traffic import RECOVERY, Traffic, check_error
from tests.rounds import SCALE
from tests.servers import RedisCluster, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from storescope.backends import Backend

ROUNDS = SCALE
PATIENCE = 1_500  # milliseconds after which the nodes take one of them for dead
LIMITS: dict[str, Any] = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT, "max_connections": 6}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisCluster, None, None]:
    """Three durable nodes. Each test leaves them running."""
    made = RedisCluster(tmp_path_factory.mktemp("cluster"), patience=PATIENCE, durable=True).start()
    yield made
    made.kill()


@pytest.fixture
async def backend(cluster: RedisCluster) -> AsyncGenerator[Backend, None]:
    async with open_backend(f"{cluster.url}?prefix=faults-{uuid4().hex}", **LIMITS) as opened:
        yield opened


@pytest.fixture
async def patient_backend(cluster: RedisCluster) -> AsyncGenerator[Backend, None]:
    """Where nothing is to fail, not on a busy machine either."""
    limits: dict[str, Any] = {**LIMITS, "timeout": 10, "connect_timeout": 10}
    async with open_backend(f"{cluster.url}?prefix=faults-{uuid4().hex}", **limits) as opened:
        yield opened


def prefix_of(backend: Backend) -> str:
    prefix: str = backend._engine._server.prefix  # type: ignore[attr-defined] # only Redis has it
    return prefix


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Do something to the cluster while the traffic goes on."""
    return await asyncio.to_thread(function, *arguments)


async def test_a_node_that_dies_and_comes_back_has_lost_nothing(cluster: RedisCluster, backend: Backend) -> None:
    """Each acknowledged write is on its disk; the other nodes go on until the cluster declares itself down."""
    victim = cluster.nodes[0]
    async with Traffic(backend, limit=TIMEOUT) as traffic:
        await traffic.get_on()
        await in_thread(victim.kill)
        await traffic.feel_it()
        await in_thread(victim.start)
        await in_thread(cluster.settle)
        await traffic.get_on()
    assert {error.driver_error for error in traffic.errors} <= {
        "redis.ConnectionError",
        "redis.ClusterDownError",
        "redis.TimeoutError",
    }
    await audit(backend, traffic.ledger)


async def test_a_node_that_hangs_costs_its_calls_the_timeout_and_the_others_nothing(
    cluster: RedisCluster, backend: Backend
) -> None:
    names = [f"s{number}" for number in range(30)]
    await asyncio.gather(*(backend["session.set"](id=name, value={"n": 0}) for name in names))
    os.kill(cluster.nodes[2].pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        answers: list[Any] = []
        for name in names:
            answers += await asyncio.gather(backend["session.get"](id=name), return_exceptions=True)
            if time.monotonic() - begun > PATIENCE / 1_000 / 2:  # then they all say that the cluster is down
                break
    finally:
        go_on([cluster.nodes[2].pid])
    assert {"n": 0} in answers
    await in_thread(cluster.settle)
    assert await backend["session.get"](id="s0") == {"n": 0}


async def test_a_write_whose_session_cannot_be_reached_was_not_made(
    cluster: RedisCluster, backend: Backend
) -> None:
    """The node of the pointer answered; the session's is not even connected to."""
    keys = SlotKeys(prefix_of(backend))
    client = backend._engine._server.client  # type: ignore[attr-defined] # only Redis has it
    victim = cluster.nodes[1]

    def on_victim(key: str) -> bool:
        return bool(client.get_node_from_key(key).port == victim.port)

    session = next(f"s{n}" for n in count() if on_victim(keys.session("", "message", f"s{n}")))
    id_ = next(f"m{n}" for n in count() if not on_victim(keys.record("", "message", f"m{n}")))
    await backend["message.set"](id=id_, value={"sessionId": session})
    await in_thread(victim.kill)
    try:
        await asyncio.sleep(0.05)  # the loop learns that the connections are closed
        with pytest.raises(BackendError) as caught:
            await backend["message.update"](id=id_, updates={"n": 1})
        check_error(caught.value)
        assert not caught.value.maybe_applied
    finally:
        await in_thread(victim.start)
        await in_thread(cluster.settle)
    assert await backend["message.update"](id=id_, updates={"n": 2}) == {"sessionId": session, "n": 2}


async def test_slots_that_move_in_mid_traffic_cost_nobody_anything(
    cluster: RedisCluster, patient_backend: Backend
) -> None:
    """The sessions that all write to go from node to node: no error, nothing lost, nothing twice."""
    keys = SlotKeys(prefix_of(patient_backend))
    sessions = [key_slot(keys.session("", "message", f"shared-{number}").encode()) for number in range(3)]
    async with Traffic(patient_backend, limit=10) as traffic:
        await traffic.get_on()
        for slot in sessions * ROUNDS:
            await in_thread(partial(cluster.move, slot, pause=0.1))
            await traffic.get_on(2)
        await traffic.get_on()
    assert traffic.errors == []
    await audit(patient_backend, traffic.ledger)


async def test_a_share_of_a_node_that_moves_costs_nobody_anything(cluster: RedisCluster, backend: Backend) -> None:
    """As an operator does it, with `redis-cli --cluster reshard`, and back."""
    first, second = cluster.nodes[:2]
    ids = [cluster.ask(node, "cluster", "myid").strip() for node in (first, second)]

    def reshard(source: str, target: str) -> None:
        where = ("--cluster-from", source, "--cluster-to", target, "--cluster-slots", str(50 * ROUNDS))
        cluster.command("--cluster", "reshard", f"127.0.0.1:{first.port}", *where, "--cluster-yes")

    async with Traffic(backend, limit=5) as traffic:
        await traffic.get_on()
        await in_thread(reshard, *ids)
        await in_thread(reshard, *reversed(ids))
        await traffic.get_on()
    assert traffic.errors == []
    await audit(backend, traffic.ledger)


async def test_a_replica_that_takes_over_is_found(tmp_path: Path) -> None:
    """First it is asked to, and nothing is lost; then its primary dies, and what had reached it is there."""
    cluster = RedisCluster(tmp_path, replicas=1, patience=PATIENCE).start()
    try:
        async with (
            open_backend(f"{cluster.url}?prefix=before", **LIMITS) as backend,
            open_backend(f"{cluster.url}?prefix=after", **LIMITS) as other,
        ):
            async with Traffic(backend, limit=TIMEOUT) as traffic:
                await traffic.get_on()
                await take_over(cluster, cluster.nodes[3])
                await traffic.get_on()
            check_all(traffic)
            await audit(backend, traffic.ledger)
            await in_thread(caught_up, cluster)
            dead = cluster.nodes[3]  # a primary by now
            dead.kill()
            async with Traffic(other, limit=TIMEOUT) as after:
                await after.feel_it()
                await replaced(cluster, dead)
                await after.get_on()
            check_all(after)
            await audit(backend, traffic.ledger)
            await audit(other, after.ledger)
    finally:
        cluster.kill()


def check_all(traffic: Traffic) -> None:
    for error in traffic.errors:
        check_error(error)


async def take_over(cluster: RedisCluster, replica: RedisServer) -> None:
    """Have a replica take over; it may be asked too early, or lose the vote."""
    async with asyncio.timeout(RECOVERY):
        while "role:master" not in await in_thread(cluster.ask, replica, "info", "replication"):
            await in_thread(cluster.ask, replica, "cluster", "failover")
            await asyncio.sleep(0.5)


async def replaced(cluster: RedisCluster, dead: RedisServer) -> None:
    """Wait until another has the slots of a node that was killed."""
    async with asyncio.timeout(RECOVERY):
        while str(dead.port) in await in_thread(cluster.ask, cluster.nodes[0], "cluster", "slots"):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.05)


def caught_up(cluster: RedisCluster) -> None:
    """Wait until every primary's replica has all that it has."""
    give_up = time.monotonic() + RECOVERY
    for node in cluster.nodes:
        while "role:master" in cluster.ask(node, "info", "replication"):
            if int(cluster.ask(node, "wait", "1", "1000")) == 1:
                break
            assert time.monotonic() < give_up


async def test_a_cluster_without_a_majority_says_so(tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path, patience=500).start()
    try:
        async with open_backend(cluster.url, **LIMITS) as backend:
            for node in cluster.nodes[1:]:
                node.kill()
            async with asyncio.timeout(RECOVERY):
                while "cluster_state:ok" in cluster.ask(cluster.nodes[0], "cluster", "info"):  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.05)
            cluster.ask(cluster.nodes[0], "acl", "setuser", "default", ">hunter2-canary")
            with pytest.raises(BackendError, match=r"is down.*bring these back") as refused:
                await open_backend(f"redis+cluster://:hunter2-canary@127.0.0.1:{cluster.nodes[0].port}", **LIMITS)
            check_error(refused.value)
            assert "hunter2" not in str(refused.value) + repr(refused.value)
            kinds = set()
            for number in range(20):
                with pytest.raises(BackendError) as caught:
                    await backend["session.set"](id=f"s{number}", value={})
                check_error(caught.value)
                kinds.add(caught.value.driver_error)
            assert "redis.ClusterDownError" in kinds
    finally:
        cluster.kill()
