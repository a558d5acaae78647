"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.durable.temporal_server import TemporalServer
from tests.dynamodb_servers import CREDENTIALS, Dynalite, DynamoDBLocal
from tests.measured import measuring
from tests.rounds import LONG
from tests.s3_server import S3Server
from tests.servers import PostgresServer, RedisCluster, RedisServer
from tests.wheel import build_wheel

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


# The machines are shared and noisy: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C end the commands that tests start, though a shell lets what runs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start one worker more than there are cores, because some test always waits."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Measure no coverage in tests that are marked so, nor in fixtures that they are the first to use."""
    measuring(on=item.get_closest_marker("unmeasured") is None)
    result = yield
    if nextitem is None:
        measuring(on=True)  # for what is left to end
    return result


@pytest.fixture(scope="session")
def shared_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer, None, None]:
    """One Redis server for the whole session. Tests must leave it running: use `redis_url`."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(shared_redis_server: RedisServer) -> str:
    """The URL of the session's server, with a prefix that no other test has."""
    return f"{shared_redis_server.url}?prefix=test-{uuid4().hex}"


@pytest.fixture
def redis_server(tmp_path: Path) -> Generator[RedisServer, None, None]:
    """A Redis server of the test's own, which it may kill and start again."""
    server = RedisServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def shared_redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisCluster, None, None]:
    """A Redis cluster of three nodes for the session. Tests must leave it running: use `redis_cluster_url`."""
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    cluster.kill()


@pytest.fixture
def redis_cluster_url(shared_redis_cluster: RedisCluster) -> str:
    """The URL of the session's cluster, with a prefix that no other test has."""
    return f"{shared_redis_cluster.url}?prefix=test-{uuid4().hex}"


@pytest.fixture(scope="session")
def shared_postgres_server() -> Generator[PostgresServer, None, None]:
    """One Postgres server for the whole session. Tests must leave it running: use `postgres_url`."""
    server = PostgresServer("fsync=off").create()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(shared_postgres_server: PostgresServer) -> str:
    """The URL of the session's server, with a schema that no other test has."""
    return f"{shared_postgres_server.url}?migrate=true&schema=test_{uuid4().hex}"


@pytest.fixture(scope="session")
def aws_credentials() -> Generator[None, None, None]:
    """Credentials where every AWS SDK finds them first; no server of the tests looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def shared_dynalite(
    tmp_path_factory: pytest.TempPathFactory, aws_credentials: None
) -> Generator[Dynalite, None, None]:
    """One dynalite for the whole session. Tests must leave it running: use `dynamodb_url`."""
    server = Dynalite(tmp_path_factory.mktemp("dynalite")).start()
    yield server
    server.kill()


@pytest.fixture
def dynamodb_url(shared_dynalite: Dynalite) -> str:
    """The URL of a table of dynalite's that no other test has."""
    return f"{shared_dynalite.url(f'test-{uuid4().hex}')}&timeout=60"  # the machine may be busy


@pytest.fixture(scope="session")
def shared_dynamodb_local(
    tmp_path_factory: pytest.TempPathFactory, aws_credentials: None
) -> Generator[DynamoDBLocal, None, None]:
    """One DynamoDB Local for the whole session. Tests must leave it running: use `dynamodb_local_url`."""
    server = DynamoDBLocal(tmp_path_factory.mktemp("dynamodb-local")).start()
    yield server
    server.kill()


@pytest.fixture
def dynamodb_local_url(shared_dynamodb_local: DynamoDBLocal) -> str:
    """The URL of a table of DynamoDB Local's that no other test has."""
    return f"{shared_dynamodb_local.url(f'test-{uuid4().hex}')}&timeout=60"


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[TemporalServer, None, None]:
    """One Temporal server for the whole session."""
    server = TemporalServer(tmp_path_factory.mktemp("temporal")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def shared_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server, None, None]:
    """One S3 server for the whole session. Tests must leave it running: use `s3_url`."""
    server = S3Server(tmp_path_factory.mktemp("s3")).start()
    server.create_bucket("tests")
    yield server
    server.kill()


@pytest.fixture
def s3_url(shared_s3_server: S3Server) -> str:
    """The URL of the session's server, with a prefix that no other test has."""
    return shared_s3_server.url(f"tests/{uuid4().hex}")


STORES = ["local", "memory", "postgres", "redis", "redis_cluster"]
"""Those that a test of every backend runs over. DynamoDB's requests take milliseconds: it has tests of its own."""
KV = ["kv+local", "kv+memory", "kv+postgres", "kv+redis", "kv+s3"]


@pytest.fixture(params=[*STORES, "dynamodb", *KV] if LONG else STORES)
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of each kind in turn; in make test-long, those of the KV layer too."""
    return store_url(request, request.param, tmp_path)


@pytest.fixture(params=KV)
def kv_backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same, over each engine of the KV layer."""
    return store_url(request, request.param, tmp_path)


def store_url(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    """Return the URL of an empty store."""
    if kind.startswith("kv+"):
        return "kv+" + store_url(request, kind.removeprefix("kv+"), folder)
    if kind not in {"local", "memory"}:
        url: str = request.getfixturevalue(f"{kind}_url")
        return url
    return {"local": f"local:{folder / 'store'}", "memory": "memory:"}[kind]


@pytest.fixture
def operator_url(backend_url: str, request: pytest.FixtureRequest) -> str:
    """The same store, as a user of it who sees the records of every tenant."""
    if not backend_url.startswith("postgresql:"):
        return backend_url
    server: PostgresServer = request.getfixturevalue("shared_postgres_server")
    return backend_url.replace(server.url, server.superuser_url)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks, away from this tree."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))
