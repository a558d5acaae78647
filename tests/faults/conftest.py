"""Servers that keep what they acknowledged, and that these tests may kill, stop and fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dynamodb_servers import Dynalite
from tests.faults.sites import ClusterSite, DynamoSite, PostgresSite, RedisSite, S3Site
from tests.rounds import LONG
from tests.servers import PostgresServer, RedisCluster, RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.faults.sites import Site
    from tests.s3_server import S3Server


@pytest.fixture(scope="session")
def durable_postgres() -> Generator[PostgresServer, None, None]:
    """A Postgres server with `fsync` on, which these tests may kill and stop. Each leaves it running."""
    server = PostgresServer().create()
    yield server
    server.remove()


@pytest.fixture
def postgres_site(durable_postgres: PostgresServer) -> PostgresSite:
    return PostgresSite(durable_postgres)


@pytest.fixture
def redis_site(tmp_path: Path) -> Generator[RedisSite, None, None]:
    server = RedisServer(tmp_path, durable=True).start()
    yield RedisSite(server)
    server.kill()


@pytest.fixture
def dynamodb_site(tmp_path: Path, aws_credentials: None) -> Generator[DynamoSite, None, None]:
    server = Dynalite(tmp_path, durable=True).start()
    yield DynamoSite(server)
    server.kill()


@pytest.fixture(scope="session")
def durable_cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisCluster, None, None]:
    """A Redis cluster of one node, which these tests may kill and stop. Each leaves it running."""
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"), primaries=1, durable=True).start()
    yield cluster
    cluster.kill()


@pytest.fixture
def cluster_site(durable_cluster: RedisCluster) -> ClusterSite:
    return ClusterSite(durable_cluster)


@pytest.fixture
def s3_site(shared_s3_server: S3Server) -> S3Site:
    """The session's server: a test that kills it starts it again."""
    return S3Site(shared_s3_server)


@pytest.fixture(params=["cluster", "postgres", "redis", *(["dynamodb"] if LONG else [])])
def site(request: pytest.FixtureRequest) -> Site:
    """A server of each kind in turn, with a store that is empty."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
