"""Each store, as its backend and its raw client see it; the servers are started for the run."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from obstore.store import S3Store

from benchmarks._raw_dynamodb import RawDynamo
from benchmarks._raw_kv import RawKv
from benchmarks._raw_kv_spaces import PostgresSpace, RedisSpace, S3Space
from benchmarks._raw_local import RawLocal
from benchmarks._raw_postgres import RawPostgres
from benchmarks._raw_redis import RawRedis
from benchmarks._raw_redis_cluster import RawRedisCluster
from storescope.backends import open_backend
from tests.dynamodb_servers import CREDENTIALS, Dynalite, DynamoDBLocal
from tests.s3_server import S3Server
from tests.servers import PostgresServer, RedisCluster, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from benchmarks._raw import Raw
    from benchmarks._raw_kv import Space
    from storescope.backends import Backend

STORES = ("local", "redis", "redis_cluster", "postgres", "dynamodb_local")
KV_STORES = ("kv+redis", "kv+postgres", "kv+s3")
_BUCKET = "benchmarks"

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
    elif store.endswith("postgres"):
        postgres = PostgresServer("fsync=off").create()
        try:
            yield postgres.url
        finally:
            postgres.remove()
    elif store == "kv+s3":
        s3 = S3Server(folder / store).start()
        try:
            s3.create_bucket(_BUCKET)
            yield s3.endpoint
        finally:
            s3.kill()
    elif store in _DYNAMODB:
        server = _DYNAMODB[store](folder / store)
        try:
            with patch.dict(os.environ, CREDENTIALS):
                yield server.start().endpoint
        finally:
            server.kill()
    else:
        cluster = store == "redis_cluster"
        redis = RedisCluster(folder / store, primaries=1) if cluster else RedisServer(folder / store)
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
        elif store.startswith("kv+"):
            raw = RawKv(await _space(store, address, space))
        elif store in _DYNAMODB:
            raw = await RawDynamo.open(address, f"space-{space}")
        else:
            raw = await RawPostgres.open(address, f"space_{space}")
        try:
            yield Pair(backend, raw)
        finally:
            await raw.aclose()


async def _space(store: str, address: str, space: int) -> Space:
    """Return a raw client with the driver settings of the other benchmarks."""
    if store == "kv+redis":
        return await RedisSpace.open((await RawRedis.open(_url("redis", address, space))).client)
    if store == "kv+postgres":
        return PostgresSpace((await RawPostgres.open(address, f"space_{space}")).pool, f"space_{space}")
    return S3Space(
        S3Store(
            _BUCKET,
            prefix=f"space-{space}",
            endpoint=address,
            access_key_id=S3Server.KEY,
            secret_access_key=S3Server.SECRET,
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
    )


def _url(store: str, address: str, space: int) -> str:  # noqa: PLR0911 (one for each kind)
    if store.startswith("kv+"):
        return "kv+" + _url(store.removeprefix("kv+"), address, space)
    if store == "s3":
        credentials = f"access_key_id={S3Server.KEY}&secret_access_key={S3Server.SECRET}"
        return f"s3://{_BUCKET}/space-{space}?endpoint={address}&{credentials}"
    if store == "local":
        return f"local:{Path(address) / str(space)}"
    if store == "redis":
        return f"{address.rpartition('/')[0]}/{space}"
    if store == "redis_cluster":
        return f"{address}?prefix=space-{space}"
    if store in _DYNAMODB:
        return f"dynamodb://space-{space}?create=true&timeout=60&endpoint_url={address}"
    return f"{address}?migrate=true&schema=space_{space}"
