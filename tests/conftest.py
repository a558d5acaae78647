"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import Dynalite, DynamoDBLocal, PostgresServer, RedisServer
from tests.wheel import build_wheel

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


# The machines are shared and noisy: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


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
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def shared_dynalite(
    tmp_path_factory: pytest.TempPathFactory, aws_credentials: None
) -> Generator[Dynalite, None, None]:
    """One dynalite for the whole session. Tests must leave it running: use `dynamodb_url`."""
    server = Dynalite(tmp_path_factory.mktemp("dynalite")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def shared_dynamodb_local(
    tmp_path_factory: pytest.TempPathFactory, aws_credentials: None
) -> Generator[DynamoDBLocal, None, None]:
    """One DynamoDB Local for the whole session. Tests must leave it running: use `dynamodb_local_url`."""
    server = DynamoDBLocal(tmp_path_factory.mktemp("dynamodb-local")).start()
    yield server
    server.kill()


@pytest.fixture
def dynamodb_url(shared_dynalite: Dynalite) -> str:
    """The URL of a table of dynalite's that no other test has."""
    return shared_dynalite.url(f"test-{uuid4().hex}")


@pytest.fixture
def dynamodb_local_url(shared_dynamodb_local: DynamoDBLocal) -> str:
    """The URL of a table of DynamoDB Local's that no other test has."""
    return shared_dynamodb_local.url(f"test-{uuid4().hex}")


@pytest.fixture(params=["dynamodb", "local", "memory", "postgres", "redis"])
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of each kind in turn."""
    if request.param not in {"local", "memory"}:
        url: str = request.getfixturevalue(f"{request.param}_url")
        return url
    return {"local": f"local:{tmp_path / 'store'}", "memory": "memory:"}[request.param]


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
