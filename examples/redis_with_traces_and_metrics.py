"""Redis with tracing, driver spans below, and metrics.

    python examples/redis_with_traces_and_metrics.py [redis://localhost:6379/0]

Prints the trace of one agent turn and the metrics as Prometheus would read them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from storescope import BackendError, StorageClient, Store, wrap
from storescope.backends import open_backend
from storescope.middleware import instrument_drivers, metrics, tracing


async def main(url: str) -> None:
    """Run one turn of an agent and show what was seen of it."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    registry = CollectorRegistry()
    instrument_drivers(tracer_provider=provider)

    async with open_backend(url, region="aws:eu-west-1") as backend:
        handlers = wrap(backend, tracing(tracer_provider=provider), metrics(registry=registry))

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        agent = StorageClient(storage)
        with provider.get_tracer("agent").start_as_current_span("agent turn"):
            await agent.session.set("s1", {"createdAt": 1})
            await agent.message.set("m1", {"sessionId": "s1", "role": "user", "text": "hello"})
            await agent.session.update("s1", {"lastMessageId": "m1"})
            print("messages:", len(await agent.message.list_by_session("s1")))

    finished = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished if span.context}
    for span in finished:
        if span.parent is not None:
            print(f"{names.get(span.parent.span_id, '?')} -> {span.name}")
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith("agent_storage_operations_total") and not line.endswith(" 0.0"):
            print(line)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "redis://localhost:6379/0"))
    except BackendError as error:
        sys.exit(f"{error}")
