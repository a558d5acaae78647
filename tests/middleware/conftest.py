"""One run of everything, for all tests that look at what was emitted; drivers that make spans; what is logged."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.middleware.driver_spans import instrumented
from tests.middleware.emission import emit
from tests.middleware.emitted import Emitted
from tests.otlp import collector

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.dynamodb_servers import Dynalite
    from tests.servers import PostgresServer, RedisServer


@pytest.fixture(scope="session")
def emitted(
    shared_redis_server: RedisServer,
    shared_postgres_server: PostgresServer,
    shared_dynalite: Dynalite,
    tmp_path_factory: pytest.TempPathFactory,
) -> Emitted:
    """What a run of everything emitted. It is read only."""
    with collector() as collected:
        seen = Emitted(collected)
        structlog.configure(processors=[seen.keep_line])
        try:
            with instrumented(seen.provider):
                asyncio.run(
                    emit(
                        seen,
                        tmp_path_factory.mktemp("emission"),
                        redis_url=f"{shared_redis_server.url}?prefix=emitted-{uuid4().hex}",
                        postgres_url=f"{shared_postgres_server.url}?migrate=true&schema=emitted_{uuid4().hex}",
                        dynamodb_url=shared_dynalite.url(f"emitted-{uuid4().hex}"),
                    )
                )
        finally:
            structlog.reset_defaults()
        seen.provider.shutdown()
    return seen


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Generator[TracerProvider]:
    """A provider that the drivers are instrumented with."""
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    with instrumented(made):
        yield made


@pytest.fixture
def secret() -> str:
    return f"canary{uuid4().hex}"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Generator[list[str]]:
    """Everything that is logged, through structlog or the standard library."""
    seen: list[str] = []

    def keep(_: Any, __: str, event: Any) -> Any:
        seen.append(repr(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    with caplog.at_level(logging.DEBUG):
        yield seen
    structlog.reset_defaults()
    seen += [record.getMessage() for record in caplog.records]
