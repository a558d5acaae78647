"""Whether a Redis cluster takes more writes with more nodes, as far as one machine can show it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks._raw import session
from benchmarks._result import Result, Row
from benchmarks._rounds import median, microseconds, ratio
from storescope.backends import open_backend
from tests.servers import RedisCluster

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._rounds import Work
    from storescope.backends import Backend

NODES, ROUNDS, WRITERS, WRITES = (1, 2, 3), 15, 48, 5


async def run(
    folder: Path, *, nodes: tuple[int, ...] = NODES, rounds: int = ROUNDS, writers: int = WRITERS
) -> Result:
    """Measure many writers at once, each with sessions of its own, on clusters of several sizes.

    One client process writes less than one node takes, and all nodes have these cores together: time does not
    fall. How far more nodes carry is told by the processor time of the busiest, its idle turns and its talk with
    the other nodes included.
    """
    async with AsyncExitStack() as opened:
        clusters: dict[str, RedisCluster] = {}
        contenders: dict[str, Work] = {}
        for count in nodes:
            name = f"{count} node" + ("s" if count > 1 else "")
            clusters[name] = _start(folder, count, opened)
            backend = await opened.enter_async_context(open_backend(clusters[name].url, max_connections=writers))
            contenders[name] = partial(_write, backend, writers)
        before = {name: _worked(cluster) for name, cluster in clusters.items()}
        figures = await microseconds(contenders, calls=1, rounds=rounds)
        after = {name: _worked(cluster) for name, cluster in clusters.items()}
    each = writers * WRITES
    figures = {name: [taken / each for taken in values] for name, values in figures.items()}
    first = next(iter(contenders))
    rows = [Row(name, median(values), ratio(figures, name, first)) for name, values in figures.items()]
    work = {
        name: max(end - begin for end, begin in zip(after[name], before[name], strict=True))
        / (each * (rounds + 1))
        for name in contenders
    }
    rows += [Row(f"{name}, work of the busiest", value, value / work[first]) for name, value in work.items()]
    return Result("a session.set, of many at once", rows, {"redis_cluster": figures})


def _start(folder: Path, count: int, opened: AsyncExitStack) -> RedisCluster:
    own = folder / str(count)
    own.mkdir()
    cluster = RedisCluster(own, primaries=count)
    opened.callback(cluster.kill)
    return cluster.start()


def _worked(cluster: RedisCluster) -> list[float]:
    """Return each node's processor time so far, in microseconds."""
    found: list[float] = []
    for node in cluster.nodes:
        told = dict(line.split(":") for line in cluster.ask(node, "info", "cpu").split() if ":" in line)
        found.append((float(told["used_cpu_user"]) + float(told["used_cpu_sys"])) * 1e6)
    return found


async def _write(backend: Backend, writers: int) -> None:
    async def write(writer: int) -> None:
        for number in range(WRITES):
            id_ = f"{writer}-{number}"
            await backend["session.set"](id=id_, value=session(id_))

    await asyncio.gather(*map(write, range(writers)))
