"""The benchmarks that compare with others and with ourselves run, and what they compare does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks import added, growth, many_calls, py_key_value, redis_get, start, throughput
from benchmarks._stacks import REGION
from storescope.backends import open_backend

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.unmeasured


async def test_each_command_of_an_instrumented_backend_has_a_span(redis_url: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with open_backend(redis_url, region=REGION) as backend:
        redis_get.instrument(backend, provider)
        for _ in range(3):
            await backend["session.get"](id="s1")
    assert [span.name for span in exporter.get_finished_spans()] == ["HGETALL"] * 3


async def test_what_is_added_to_redis_is_compared(tmp_path: Path) -> None:
    (tmp_path / "get").mkdir()
    result = await redis_get.run(tmp_path / "get", calls=1, rounds=2)
    assert [row.limit for row in result.rows if row.limit] == [0.8, 1.3]
    result = await added.run(tmp_path, ("redis",), calls=1, rounds=2)
    assert [row.limit for row in result.rows if row.limit] == [1.15]


async def test_what_py_key_value_adds_is_compared(tmp_path: Path) -> None:
    result = await py_key_value.run(tmp_path, calls=2, rounds=2)
    assert [row.limit for row in result.rows if row.limit] == [0.3, 0.6]
    lines = (tmp_path / "theirs.log").read_text().splitlines()
    assert len(lines) == 2 * 2 * 3  # at start and end of each call, in two rounds and the one that warms up


async def test_callers_are_compared_on_both_loops(tmp_path: Path) -> None:
    cases = [case for case in throughput.CASES if case.store == "redis" and case.durability == "none"]
    cases.append(cases[0]._replace(operation="session.set", durability="group", limit=None))
    result = await throughput.run(tmp_path, tuple(cases), callers=3, calls=1, rounds=2)
    assert [row.limit is not None for row in result.rows] == [False, True, False, True, False, False]


async def test_growth_is_measured(tmp_path: Path) -> None:
    sizes = growth.Sizes(tenants=(1, 5), records=(2, 7), callers=(1, 3))
    result = await growth.run(tmp_path, sizes=sizes, calls=10, rounds=2)
    assert [row.name for row in result.rows] == [
        *("1 tenants", "5 tenants", "2 records in memory", "7 records in memory"),
        *("2 records on Redis", "7 records on Redis", "1 callers", "3 callers"),
    ]


async def test_many_calls_of_one_process_are_measured(tmp_path: Path) -> None:
    result = await many_calls.run(tmp_path, calls=200)
    assert all(row.value > 0 for row in result.rows)


async def test_the_start_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: start.COMMANDS[name] for name in (start.BARE, "import storescope")}
    monkeypatch.setattr(start, "COMMANDS", few)
    result = await start.run(tmp_path, rounds=1)
    assert [row.most for row in result.rows] == [None, None, 60]
