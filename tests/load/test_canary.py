"""What the sessions store reaches the store, and nothing that watches it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from storescope.apps.load._sizes import MARKER
from storescope.backends import open_backend
from tests.load.loads import Samples, Watching, run_here
from tests.middleware.driver_spans import uninstrument

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_content_reaches_the_store_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exporter, scrapes = InMemorySpanExporter(), list[str]()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    url = f"local:{tmp_path / 'store'}"
    watcher = Watching(lambda metrics: scrapes.append(Samples(metrics).text))
    try:
        with caplog.at_level(logging.DEBUG):
            report = await in_thread(watcher, provider, url, tmp_path / "kept")
    finally:
        uninstrument()
    spans = exporter.get_finished_spans()
    told = [
        *(span.to_json() for span in spans),
        *scrapes,
        *(path.read_text() for path in (tmp_path / "kept" / "audit").glob("*.jsonl")),
        json.dumps(report),
        *(record.getMessage() for record in caplog.records),
    ]
    assert MARKER not in "".join(told)
    assert len([span for span in spans if "agent_storage.outcome" in (span.attributes or {})]) == report["calls"]
    assert any(span.name == "agent turn" and span.parent is None for span in spans)
    async with open_backend(url) as backend:
        stored = await backend["message.get"](id="load-7-0-0-m1")
    assert stored["text"].startswith(MARKER)


async def in_thread(watcher: Watching, provider: TracerProvider, url: str, keep: Path) -> dict[str, Any]:
    """Run a load beside this event loop."""
    options = {"backend": url, "seconds": 3.0, "errors": 0.1, "denials": 0.1, "keep": keep}  # whole turns are made
    report = await asyncio.to_thread(run_here, watcher, provider, **options)
    return report.to_dict()
