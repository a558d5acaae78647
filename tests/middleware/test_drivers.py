"""Driver spans lie below the storage spans, under stable names, and hold nothing of what is stored."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from storescope import BackendInfo, MissingExtraError, WrapError, wrap
from storescope.backends import open_backend
from storescope.middleware import _drivers as module
from storescope.middleware import instrument_drivers, tracing
from storescope.middleware._drivers import driver_spans_below
from storescope.middleware._drivers._kinds import DRIVERS
from storescope.middleware._drivers._tracer import DriverTracerProvider
from tests.middleware.driver_spans import STABLE, attributes, instrumented


@pytest.fixture
def provider(provider: TracerProvider) -> TracerProvider:
    """One that the drivers are instrumented with; doing it again changes nothing."""
    assert instrument_drivers(tracer_provider=provider) == ("redis", "asyncpg", "botocore")
    return provider


async def test_they_lie_below_under_stable_names_without_values(
    redis_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    secret = uuid4().hex
    async with open_backend(redis_url) as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider))
        exporter.clear()
        await handlers["session.set"](id=secret, value={"text": secret})
        await handlers["session.get"](id=secret)
    storage = {span.name: span for span in exporter.get_finished_spans() if "." in span.name}
    below = [span for span in exporter.get_finished_spans() if "." not in span.name]
    assert below[-1].name == "HGETALL"
    assert below[-1].parent == storage["session.get"].get_span_context()
    assert storage["session.get"].kind is SpanKind.INTERNAL
    for span in below:
        assert set(attributes(span)) <= STABLE
        assert span.kind is SpanKind.CLIENT
        assert secret not in span.to_json()
    found = attributes(below[-1])
    assert (found["db.system.name"], found["db.operation.name"], found["db.namespace"]) == (
        "redis",
        "HGETALL",
        "0",
    )
    assert (found["server.address"], found["network.transport"]) == ("127.0.0.1", "tcp")


async def test_a_cluster_s_lie_below_too(
    redis_cluster_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """One for each command, however often the cluster sends it on."""
    secret = uuid4().hex
    async with open_backend(redis_cluster_url) as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider))
        exporter.clear()
        await handlers["message.set"](id=secret, value={"sessionId": secret, "text": secret})
        await handlers["message.get"](id=secret)
    spans = exporter.get_finished_spans()
    storage = {span.name: span for span in spans if "." in span.name}
    below = [span for span in spans if "." not in span.name]
    assert [span.name for span in below[-2:]] == ["GET", "HGET"]
    parents = {span.parent.span_id for span in below if span.parent}
    assert parents == {context.span_id for span in storage.values() if (context := span.get_span_context())}
    assert storage["message.get"].kind is SpanKind.INTERNAL
    for span in below:
        assert set(attributes(span)) <= STABLE
        assert attributes(span)["db.system.name"] == "redis"
        assert secret not in span.to_json()


async def test_a_failing_command_keeps_its_class_and_no_text(
    redis_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    secret = uuid4().hex
    async with Redis.from_url(redis_url.split("?", maxsplit=1)[0]) as client:
        with pytest.raises(ResponseError):
            await client.execute_command("NOSUCHCOMMAND", secret)  # type: ignore[no-untyped-call] # redis-py's own
    (span,) = exporter.get_finished_spans()
    assert attributes(span)["error.type"] == "redis.exceptions.ResponseError"
    assert span.status.status_code is StatusCode.ERROR
    assert secret not in span.to_json()


async def test_a_pipeline_has_one_name_whatever_it_holds(
    redis_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    async with Redis.from_url(redis_url.split("?", maxsplit=1)[0]) as client, client.pipeline() as pipeline:
        for _ in range(3):
            pipeline.get("x")
        await pipeline.execute()
    (span,) = exporter.get_finished_spans()
    assert span.name == "PIPELINE"
    assert attributes(span)["db.operation.batch.size"] == 3


async def test_below_an_unsampled_call_no_driver_span_is_sampled(redis_url: str) -> None:
    exporter, off = InMemorySpanExporter(), TracerProvider(sampler=ALWAYS_OFF)
    on = TracerProvider(sampler=ParentBased(ALWAYS_ON))
    on.add_span_processor(SimpleSpanProcessor(exporter))
    with instrumented(on):
        async with open_backend(redis_url) as backend:
            exporter.clear()
            await wrap(backend, tracing(tracer_provider=off))["session.get"](id="s1")
        assert exporter.get_finished_spans() == ()


def test_documents_and_statements_are_dropped_and_old_names_are_made_new(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    tracer = DriverTracerProvider(provider, DRIVERS["redis"]).get_tracer("a driver", schema_url="old")
    with tracer.start_as_current_span("FT.SEARCH") as span:
        span.set_attribute("db.statement", "secret")
        span.set_attribute("redis.search.xdoc_1.title", "secret")
        span.set_attributes({"net.peer.port": 6379, "net.transport": "ip_tcp", "db.redis.database_index": 0})
        span.set_status(StatusCode.ERROR, "secret")
        span.add_event("secret")
        span.record_exception(ValueError("secret"))
        span.update_name("secret")
        assert trace.get_current_span().is_recording()
    (seen,) = exporter.get_finished_spans()
    assert seen.name == "FT.SEARCH"
    assert "secret" not in seen.to_json()
    assert attributes(seen) == {
        "db.system.name": "redis",
        "db.operation.name": "FT.SEARCH",
        "db.namespace": "0",
        "server.port": 6379,
        "network.transport": "tcp",
    }


def test_an_unsampled_driver_span_is_the_sdks_own() -> None:
    tracer = DriverTracerProvider(TracerProvider(sampler=ALWAYS_OFF), DRIVERS["redis"]).get_tracer("a driver")
    span = tracer.start_span("GET")
    assert type(span) is NonRecordingSpan
    span.end()


def test_a_span_ends_when_its_driver_ends_it(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    span = DriverTracerProvider(None, DRIVERS["redis"]).get_tracer("a driver").start_span("GET")
    span.end()  # no global provider is set, so that it goes nowhere
    tracer = DriverTracerProvider(provider, DRIVERS["redis"]).get_tracer("a driver")
    recorded = tracer.start_span("GET")
    assert recorded.is_recording()
    recorded.end()
    assert len(exporter.get_finished_spans()) == 1


@pytest.mark.parametrize(
    ("driver", "given", "wanted"),
    [
        ("redis", "GET", "GET"),
        ("redis", "get", "GET"),
        ("redis", "CONFIG GET", "CONFIG GET"),
        ("redis", "GET SET GET", "PIPELINE"),
        ("redis", "redis.search", "FT.SEARCH"),
        ("redis", "s3cr3t!", "redis"),
        ("asyncpg", "SELECT", "SELECT"),
        ("asyncpg", "BEGIN;", "BEGIN"),
        ("asyncpg", "CURSOR: SELECT", "FETCH"),
        ("asyncpg", "(select", "SELECT"),
        ("asyncpg", "--comment", "postgresql"),
        ("asyncpg", "", "postgresql"),
        ("botocore", "DynamoDB.GetItem", "GetItem"),
    ],
)
def test_names_come_from_a_closed_set_of_words(
    driver: str, given: str, wanted: str, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    DriverTracerProvider(provider, DRIVERS[driver]).get_tracer("a driver").start_span(given).end()
    (span,) = exporter.get_finished_spans()
    assert span.name == wanted
    operation = {} if wanted == DRIVERS[driver].system else {"db.operation.name": wanted}
    assert attributes(span) == {"db.system.name": DRIVERS[driver].system, **operation}


def test_made_up_commands_do_not_make_names_without_end(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    tracer = DriverTracerProvider(provider, DRIVERS["redis"]).get_tracer("a driver")
    for number in range(2_000):
        tracer.start_span(f"X{number}").end()
    assert len({span.name for span in exporter.get_finished_spans()}) <= 513


def test_a_driver_that_is_not_installed_is_left_out_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = DRIVERS["asyncpg"].module
    with instrumented(TracerProvider(), "redis"), monkeypatch.context() as patch:
        patch.setitem(sys.modules, missing, None)
        patch.setattr(module, "find_spec", lambda name: None if name == missing else find_spec(name))
        assert instrument_drivers() == ("redis", "botocore")
        assert not driver_spans_below(BackendInfo("postgresql"))()
        with pytest.raises(MissingExtraError, match=r"storescope\[postgres\]"):
            instrument_drivers("asyncpg")


def test_only_what_is_named_is_instrumented() -> None:
    with instrumented(TracerProvider(), "redis") as names:
        assert names == ("redis",)
        below = {system: driver_spans_below(BackendInfo(system))() for system in ("redis", "postgresql", "sqlite")}
    assert below == {"redis": True, "postgresql": False, "sqlite": False}
    assert not driver_spans_below(BackendInfo("aws.dynamodb"))()


def test_a_driver_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(WrapError, match="one of redis, asyncpg, botocore, not 'psycopg'"):
        instrument_drivers("psycopg")
