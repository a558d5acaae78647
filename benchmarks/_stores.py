"""Each store, as its backend and its raw client see it; the servers are started for the run."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from benchmarks._raw_dynamodb import RawDynamo
from benchmarks._raw_local import RawLocal
from benchmarks._raw_postgres import RawPostgres
from benchmarks._raw_redis import RawRedis
from benchmarks._raw_redis_cluster import RawRedisCluster
from storescope.backends import open_backend
from tests.dynamodb_servers import CREDENTIALS, Dynalite, DynamoDBLocal
from tests.servers import PostgresServer, RedisCluster, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from benchmarks._raw import Raw
    from storescope.backends import Backend

STORES = ("local", "redis", "redis_cluster", "postgres", "dynamodb_local")

_DYNAMODB = {"dynamodb_local": DynamoDBLocal, "dynalite": Dynalite}
"""Two servers that speak its protocol; the second starts ten times as fast, for the tests of the benchmarks."""


class Pair(NamedTuple):
    """The two that are compared; both work on the same records."""

    backend: Backend
    raw: Raw


@contextmanager
def started(store: str, folder: Path) -> Generator[str]:
    """Start a store's server, and yield its address: a URL, or a folder.

    Postgres does not sync: how long a disk takes is the same for both sides, and would hide what is compared.
    SQLite is no server; its threads stay on one core. The cluster has one node, for the same work on both sides.
    """
    (folder / store).mkdir()
    if store == "local":
        with one_core():
            yield str(folder / store)
    elif store == "postgres":
        postgres = PostgresServer("fsync=off").create()
        try:
            yield postgres.url
        finally:
            postgres.remove()
    elif store in _DYNAMODB:
        server = _DYNAMODB[store](folder / store)
        try:
            with patch.dict(os.environ, CREDENTIALS):
                yield server.start().endpoint
        finally:
            server.kill()
    else:
        redis = RedisServer(folder / store) if store == "redis" else RedisCluster(folder / store, primaries=1)
        try:
            yield redis.start().url
        finally:
            redis.kill()


@contextmanager
def one_core() -> Generator[None]:
    """Keep this process, the threads and the servers that it starts on one core.

    A call to a store changes threads or processes twice. Whether the system has put the two on one core makes it
    half as long or not, stays so for seconds, and says nothing about either side.
    """
    if not hasattr(os, "sched_setaffinity"):  # only Linux has it
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@asynccontextmanager
async def opened(store: str, address: str, space: int = 0) -> AsyncGenerator[Pair]:
    """Open one of a store's spaces, which have nothing in common: a folder, a database, a schema, a table."""
    raw: Raw
    async with open_backend(_url(store, address, space)) as backend:
        if store == "local":
            raw = RawLocal(Path(address) / str(space) / "storage.db")
        elif store == "redis":
            raw = await RawRedis.open(_url(store, address, space))
        elif store == "redis_cluster":
            raw = await RawRedisCluster.open(address, f"space-{space}")
        elif store in _DYNAMODB:
            raw = await RawDynamo.open(address, f"space-{space}")
        else:
            raw = await RawPostgres.open(address, f"space_{space}")
        try:
            yield Pair(backend, raw)
        finally:
            await raw.aclose()


def _url(store: str, address: str, space: int) -> str:
    if store == "local":
        return f"local:{Path(address) / str(space)}"
    if store == "redis":
        return f"{address.rpartition('/')[0]}/{space}"
    if store == "redis_cluster":
        return f"{address}?prefix=space-{space}"
    if store in _DYNAMODB:
        return f"dynamodb://space-{space}?create=true&timeout=60&endpoint_url={address}"
    return f"{address}?migrate=true&schema=space_{space}"
