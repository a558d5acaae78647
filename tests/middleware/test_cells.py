"""Our counters, gauges and histograms say what prometheus-client's own would."""

from __future__ import annotations

import re
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from storescope.middleware._cells import Cells, CounterCell, GaugeCell, HistogramCell
from storescope.middleware._definitions import Metric

if TYPE_CHECKING:
    from collections.abc import Generator

LABELS = ("operation", "place")
BOUNDS = (0.00005, 0.001, 1.0, 2_500_000.0)
COUNTER = Metric("calls_total", "counter", "Calls.", LABELS)
GAUGE = Metric("in_flight", "gauge", "In flight.", LABELS)
HISTOGRAM = Metric("seconds", "histogram", "Seconds.", LABELS, BOUNDS)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
amounts = st.sampled_from([0.0, 0.5, *BOUNDS]) | st.floats(0, 1e9)
exemplars = st.none() | st.just({"trace_id": "0" * 32, "span_id": "f" * 16})
steps = st.lists(st.tuples(texts, st.sampled_from(["count", "up", "down", "observe"]), amounts, exemplars))


@pytest.fixture(autouse=True, scope="module")
def at_one_time() -> Generator[None]:
    """All exemplars have one time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 1.5)
        yield


def exposed(collectors: tuple[Any, Any, Any], done: list[Any], registry: CollectorRegistry) -> str:
    counter, gauge, histogram = collectors
    for place, what, amount, exemplar in done:
        match what:
            case "count":
                counter.labels("get", place).inc(amount)
            case "up":
                gauge.labels("get", place).inc(amount)
            case "down":
                gauge.labels("get", place).dec()
            case _:
                histogram.labels("get", place).observe(amount, exemplar)
    text: str = generate_latest(registry).decode()  # type: ignore[no-untyped-call] # it has no annotations
    return re.sub(r"^\w+_created\{.*\n", "", text, flags=re.MULTILINE)  # ours have none


@given(steps)
def test_the_same_updates_leave_the_same_exposition(done: list[Any]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = (
        Cells(COUNTER, CounterCell, ours),
        Cells(GAUGE, GaugeCell, ours),
        Cells(HISTOGRAM, partial(HistogramCell, BOUNDS), ours),
    )
    standard = (
        Counter(COUNTER.name, COUNTER.help, LABELS, registry=theirs),
        Gauge(GAUGE.name, GAUGE.help, LABELS, registry=theirs),
        Histogram(HISTOGRAM.name, HISTOGRAM.help, LABELS, registry=theirs, buckets=BOUNDS),
    )
    assert exposed(mine, done, ours) == exposed(standard, done, theirs)


def test_no_update_of_several_threads_is_lost() -> None:
    counter, histogram = CounterCell(), HistogramCell(BOUNDS)

    def work() -> None:
        for _ in range(2_000):
            counter.inc()
            histogram.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.value for each in counter.read()] == [8_000]
    assert {each.suffix: each.value for each in histogram.read()} == {
        "_bucket": 8_000,
        "_count": 8_000,
        "_sum": 4_000,
    }


def test_a_name_that_is_taken_is_refused() -> None:
    registry = CollectorRegistry()
    Counter("calls", "Somebody's own.", registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Cells(COUNTER, CounterCell, registry)
