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

    Each node has its writes on disk before it answers, so that it waits more than it computes, and several can wait
    side by side. All nodes share one disk, and all of them and the client these two cores.
    """
    async with AsyncExitStack() as opened:
        contenders: dict[str, Work] = {}
        for count in nodes:
            own = folder / str(count)
            own.mkdir()
            cluster = RedisCluster(own, primaries=count, durable=True)
            opened.callback(cluster.kill)
            cluster.start()
            backend = await opened.enter_async_context(open_backend(cluster.url, max_connections=writers))
            contenders[_name(count)] = partial(_write, backend, writers)
        figures = await microseconds(contenders, calls=1, rounds=rounds)
    figures = {name: [taken / (writers * WRITES) for taken in values] for name, values in figures.items()}
    first = _name(nodes[0])
    rows = [Row(name, median(values), ratio(figures, name, first)) for name, values in figures.items()]
    return Result("a durable session.set, of many at once", rows, {"redis_cluster": figures})


def _name(count: int) -> str:
    return f"{count} node" + ("s" if count > 1 else "")


async def _write(backend: Backend, writers: int) -> None:
    async def write(writer: int) -> None:
        for number in range(WRITES):
            id_ = f"{writer}-{number}"
            await backend["session.set"](id=id_, value=session(id_))

    await asyncio.gather(*map(write, range(writers)))
