"""asyncpg's and botocore's spans on real calls: nested, under stable names, without statements or values."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from storescope import wrap
from storescope.backends import open_backend
from storescope.middleware import tracing
from tests.dynamodb_servers import client
from tests.middleware.driver_spans import STABLE, attributes
from tests.policies import REGION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tests.dynamodb_servers import Dynalite

NOWHERE = "http://127.0.0.1:1"


def split(exporter: InMemorySpanExporter) -> tuple[dict[str, ReadableSpan], list[ReadableSpan]]:
    """Return the storage spans by name, and the drivers'."""
    spans = exporter.get_finished_spans()
    return {span.name: span for span in spans if "." in span.name}, [
        span for span in spans if "." not in span.name
    ]


async def test_postgres(postgres_url: str, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    secret = f"canary{uuid4().hex}"
    async with open_backend(postgres_url) as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider))
        exporter.clear()
        await handlers["session.set"](id=secret, value={"text": secret})
        await handlers["session.update"](id=secret, updates={"more": secret})
        await handlers["session.get"](id=secret)
        storage, below = split(exporter)
    names = {span.name for span in below}
    assert {"SELECT", "INSERT"} <= names
    assert all(name.isupper() for name in names)
    contexts = [span.get_span_context() for span in storage.values()]
    for span in below:
        assert span.parent in contexts
        assert span.kind is SpanKind.CLIENT
        assert set(attributes(span)) <= STABLE
        assert secret not in span.to_json()
        found = attributes(span)
        assert (found["db.system.name"], found["server.address"]) == ("postgresql", "127.0.0.1")
        assert (found["server.port"], found["network.transport"]) == (backend.info.port, "tcp")
        assert found["db.namespace"] == backend.info.namespace.partition("|")[0]
    assert {span.kind for span in storage.values()} == {SpanKind.INTERNAL}


async def test_a_refusal_by_postgres_keeps_class_and_code(
    postgres_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    connection = await asyncpg.connect(postgres_url.split("?", maxsplit=1)[0])
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.execute("/* why */ SELECT * FROM secret_table")
        exporter.clear()
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT * FROM secret_table WHERE id = $1", 1)
        async with connection.transaction():
            assert [row[0] async for row in connection.cursor("SELECT 7")] == [7]
    finally:
        await connection.close()
    spans = exporter.get_finished_spans()
    assert attributes(spans[0])["error.type"] == "asyncpg.exceptions.UndefinedTableError"
    assert attributes(spans[0])["db.response.status_code"] == "42P01"
    assert spans[0].status.status_code is StatusCode.ERROR
    assert {span.name for span in spans} == {"SELECT", "BEGIN", "FETCH", "COMMIT"}
    assert all("secret" not in span.to_json() and span.events == () for span in spans)


async def test_below_an_unsampled_call_postgres_makes_no_span(
    postgres_url: str, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    async with open_backend(postgres_url) as backend:
        exporter.clear()
        await wrap(backend, tracing(tracer_provider=TracerProvider(sampler=ALWAYS_OFF)))["session.get"](id="s1")
        assert exporter.get_finished_spans() == ()


async def test_dynamodb(dynamodb_url: str, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    secret = f"canary{uuid4().hex}"
    async with open_backend(dynamodb_url, region=REGION) as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider))
        exporter.clear()
        await handlers["session.set"](id=secret, value={"text": secret})
        assert await handlers["session.get"](id=secret)
        storage, below = split(exporter)
        assert {span.kind for span in storage.values()} == {SpanKind.INTERNAL}
        assert [span.name for span in below] == ["PutItem", "GetItem"]
        assert below[1].parent == storage["session.get"].get_span_context()
        for span in below:
            assert secret not in span.to_json()
            assert attributes(span) == {
                "db.system.name": "aws.dynamodb",
                "db.operation.name": span.name,
                "db.collection.name": backend.info.namespace,
                "cloud.region": REGION.removeprefix("aws:"),
                "server.address": "127.0.0.1",
                "server.port": backend.info.port,
            }


async def test_a_refusal_by_dynamodb_keeps_class_and_code(
    dynamodb_url: str, shared_dynalite: Dynalite, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    tables: list[str] = []
    for url in (dynamodb_url, shared_dynalite.url(f"test-{uuid4().hex}")):
        async with open_backend(url) as backend:
            tables.append(backend.info.namespace)
    key = {"pk": {"S": "secret"}, "sk": {"S": "secret"}}
    exporter.clear()
    async with client(shared_dynalite.endpoint) as table:
        with pytest.raises(ClientError):
            await table.put_item(TableName=tables[0], Item=key, ConditionExpression="attribute_exists(secret)")
        await table.batch_get_item(RequestItems={name: {"Keys": [key]} for name in tables})
    refused, batch = exporter.get_finished_spans()
    assert attributes(refused)["db.response.status_code"] == "ConditionalCheckFailedException"
    assert attributes(refused)["error.type"].endswith(".ConditionalCheckFailedException")
    assert refused.status.status_code is StatusCode.ERROR
    assert "db.collection.name" not in attributes(batch)  # two tables have no one name
    assert all("secret" not in span.to_json() and span.events == () for span in (refused, batch))


async def test_other_services_of_aws_make_no_span(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with provider.get_tracer("agent").start_as_current_span("turn") as turn:
        async with client(NOWHERE, "sqs") as queue:
            with pytest.raises(ParamValidationError):  # before anything is sent
                await queue.send_message(QueueUrl=f"{NOWHERE}/1/q", MessageBody="secret", DelaySeconds="x")
        assert turn.is_recording()
    assert [span.name for span in exporter.get_finished_spans()] == ["turn"]
