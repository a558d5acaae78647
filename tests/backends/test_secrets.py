"""No password, and no URL with one, is in an error, a log line, a span, a metric or a `repr`."""

from __future__ import annotations

import logging
import pickle
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from storescope import BackendError, StorageError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import instrument_drivers
from tests.dynamodb_servers import CREDENTIALS, Dynalite
from tests.middleware.driver_spans import uninstrument
from tests.middleware.helpers import stack
from tests.policies import REGION
from tests.servers import PostgresServer, RedisCluster, RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from storescope import Handlers

REDIS_PASSWORD = "hunter2-canary"
SECRET_KEY = "secret-key-canary"


@dataclass
class Guarded:
    """A server that asks for a password, which a test may kill.

    Attributes:
        server: The server.
        url: How it is opened, password included.
        password: The password.
    """

    server: RedisServer | RedisCluster | PostgresServer | Dynalite
    url: str
    password: str


@pytest.fixture(params=["redis", "redis_cluster", "postgres"])
def guarded(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Guarded, None, None]:
    if request.param == "redis":
        redis = RedisServer(tmp_path, "--requirepass", REDIS_PASSWORD).start()
        yield Guarded(redis, redis.url.replace("//", f"//:{REDIS_PASSWORD}@"), REDIS_PASSWORD)
        redis.kill()
    elif request.param == "redis_cluster":
        cluster = RedisCluster(tmp_path, primaries=1, password=REDIS_PASSWORD).start()
        yield Guarded(cluster, cluster.url.replace("//", f"//:{REDIS_PASSWORD}@"), REDIS_PASSWORD)
        cluster.kill()
    elif request.param == "dynamodb":
        for name, value in {**CREDENTIALS, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}.items():
            monkeypatch.setenv(name, value)
        dynalite = Dynalite(tmp_path).start()
        yield Guarded(dynalite, f"{dynalite.url('secrets')}&max_attempts=1", SECRET_KEY)
        dynalite.kill()
    else:
        postgres = PostgresServer("fsync=off").create()
        yield Guarded(postgres, f"{postgres.url}?migrate=true", postgres.PASSWORD)
        postgres.remove()


@pytest.fixture
def driver_spans() -> Generator[InMemorySpanExporter, None, None]:
    """The spans of the drivers, which see the connection itself."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument_drivers(tracer_provider=provider)
    yield exporter
    uninstrument()


def shown(error: BaseException) -> str:
    """Return all that a log or a tracker of errors would keep of it."""
    again = pickle.loads(pickle.dumps(error))
    texts = [str(error), repr(error), str(vars(error)), repr(again), str(vars(again))]
    return "\n".join([*texts, *traceback.format_exception(error, chain=True)])


async def every_call(handlers: Handlers) -> str:
    """Make calls of each kind, and return what was raised."""
    raised: list[str] = []
    record = {"sessionId": "s"}
    for operation, params in (
        ("session.set", {"id": "s", "value": record}),
        ("session.get", {"id": "s"}),
        ("message.set", {"id": "m", "value": record}),
        ("message.update", {"id": "m", "updates": {"a": 1}}),
        ("message.listBySession", {"session_id": "s"}),
    ):
        try:
            await handlers[operation](**params)
        except StorageError as error:
            raised.append(shown(error))
    return "\n".join(raised)


@pytest.mark.parametrize("guarded", ["dynamodb", "redis", "redis_cluster", "postgres"], indirect=True)
async def test_a_password_stays_where_it_is(
    guarded: Guarded, tmp_path: Path, caplog: pytest.LogCaptureFixture, driver_spans: InMemorySpanExporter
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[Any] = [repr(open_backend(guarded.url))]
    async with open_backend(guarded.url, region=REGION, timeout=2) as backend:
        with stack(backend, tmp_path) as seen, call_context(tenant="acme", region=REGION):
            seen.handlers = wrap(backend, *seen.layers().values())
            assert await every_call(seen.handlers) == ""
            guarded.server.kill()
            failures = await every_call(seen.handlers)
            assert "BackendError" in failures
            told += [failures, repr(backend), repr(backend.info), repr(dict(backend)), vars(backend)]
            told += [span.to_json() for span in (*seen.spans, *driver_spans.get_finished_spans())]
            told += [seen.exposition, seen.records]
    with pytest.raises(BackendError) as unreachable:
        await open_backend(guarded.url, timeout=2)
    told += [shown(unreachable.value), caplog.text]
    text = "\n".join(map(str, told))
    assert "agent_storage_operations_total" in text
    assert guarded.password not in text


async def test_a_wrong_password_is_not_told_either(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "swordfish-canary"
    with pytest.raises(BackendError) as refused:
        await open_backend(guarded.url.replace(guarded.password, wrong))
    assert "password" in str(refused.value)
    assert not refused.value.retryable
    text = shown(refused.value) + caplog.text
    assert wrong not in text
    assert guarded.password not in text
