"""One run of everything, for all tests that look at what was emitted; and drivers that make spans."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
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
