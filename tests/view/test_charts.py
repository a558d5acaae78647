"""The charts' series, from what storescope's own metrics expose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from storescope import wrap
from storescope.apps.view import Options, Viewer, _metrics_poll
from storescope.apps.view._metrics_poll import MetricsPoller
from storescope.apps.view._schema import ViewError
from storescope.apps.view._series import ALL, Sample, Series
from storescope.backends import open_backend
from storescope.middleware import metrics
from tests.view.sending import get

if TYPE_CHECKING:
    from collections.abc import Generator

HEAD = '{operation="session.get",backend="redis",region="eu"'


def sample(
    at: float, calls: int, *, errors: int = 0, buckets: tuple[int, ...] = (0, 0, 0), more: str = ""
) -> Sample:
    fast, slow, every = buckets
    name = "agent_storage_operation_duration_seconds_bucket"
    lines = (
        f'agent_storage_operations_total{HEAD},outcome="ok"}} {calls}',
        f'agent_storage_operations_total{HEAD},outcome="error"}} {errors}',
        f"agent_storage_operations_in_flight{HEAD}}} 3",
        f'{name}{HEAD},outcome="ok",le="0.01"}} {fast}',
        f'{name}{HEAD},outcome="ok",le="0.1"}} {slow}',
        f'{name}{HEAD},outcome="ok",le="+Inf"}} {every}',
        more,
    )
    return Sample.of(at, text_string_to_metric_families("\n".join(lines) + "\n"))


def series(*samples: Sample) -> dict[str, Any]:
    made = Series(100)
    for one in samples:
        made.add(one)
    return made.to_dict()


def test_rates_are_growth_by_the_second() -> None:
    found = series(sample(0, 100), sample(2, 120, errors=4), sample(4, 160, errors=4))
    assert found["times"] == [2, 4]
    for name in (ALL, "session.get"):
        assert found["operations"][name]["rate"] == [12, 16]
        assert found["operations"][name]["errors"] == [2, 1]
        assert found["operations"][name]["in_flight"] == [3, 3]
        assert found["operations"][name]["calls"] == 164


def test_quantiles_lie_within_their_bucket() -> None:
    found = series(sample(0, 0), sample(2, 100, buckets=(50, 100, 100)))["operations"]["session.get"]
    assert found["p50"] == [pytest.approx(10)]
    assert found["p95"] == [pytest.approx(91)]
    assert found["p99"] == [pytest.approx(98.2)]


def test_beyond_the_last_bound_there_is_the_last_bound() -> None:
    found = series(sample(0, 0), sample(2, 10, buckets=(0, 0, 10)))["operations"]["session.get"]
    assert found["p50"] == [100]


def test_without_calls_there_is_no_quantile() -> None:
    found = series(sample(0, 9, buckets=(1, 1, 9)), sample(2, 9, buckets=(1, 1, 9)))["operations"]["session.get"]
    assert (found["rate"], found["p50"], found["p99"]) == ([0], [None], [None])


def test_a_counter_that_fell_was_started_anew() -> None:
    assert series(sample(0, 1_000), sample(2, 10))["operations"]["session.get"]["rate"] == [5]


def test_a_rate_is_that_of_ten_seconds() -> None:
    found = series(*(sample(at * 2, 100 if at == 1 else 0 if at == 0 else 100) for at in range(9)))
    assert found["operations"]["session.get"]["rate"] == [50, 25, pytest.approx(100 / 6), 12.5, 10, 0, 0, 0]


def test_denials_are_told_by_their_code() -> None:
    def denials(count: int) -> str:
        labels = '{decision="deny",code="tenant_missing",rule="r",backend_region="eu"}'
        return f"agent_storage_residency_decisions_total{labels} {count}"

    found = series(sample(0, 0, more=denials(0)), sample(2, 0, more=denials(6)))
    assert found["denials"] == {"tenant_missing": [3]}


def test_what_would_fill_the_memory_is_added_to_all_alone() -> None:
    lines = "".join(f'agent_storage_operations_total{{operation="o{at}",outcome="ok"}} 1\n' for at in range(500))
    found = Sample.of(0, text_string_to_metric_families(lines))
    assert len(found.operations) <= 102
    assert found.operations[ALL].calls == 500


async def test_our_own_exposition_is_understood() -> None:
    registry = CollectorRegistry()
    async with open_backend("memory:") as backend:
        handlers = wrap(backend, metrics(registry=registry))
        before = Sample.of(0, text_string_to_metric_families(generate_latest(registry).decode()))
        for _ in range(10):
            await handlers["session.set"](id="s1", value={})
        after = Sample.of(2, text_string_to_metric_families(generate_latest(registry).decode()))
    found = series(before, after)["operations"]
    assert found["session.set"]["rate"] == found[ALL]["rate"] == [5]
    assert 0 < found["session.set"]["p50"][0] < 1_000


@pytest.fixture
def endpoint() -> Generator[str]:
    server, thread = start_http_server(0, "127.0.0.1", CollectorRegistry())
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_viewer_polls_what_it_is_told(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metrics_poll, "_EVERY_SECONDS", 0.05)
    with Viewer(0, Options(metrics=endpoint)).start() as viewer:
        give_up = time.monotonic() + 20
        while not (found := get(viewer.url, "/api/charts").json)["times"] and time.monotonic() < give_up:
            time.sleep(0.05)
        assert found["times"]
        assert found["problem"] is None
        assert found["url"] == endpoint
        assert get(viewer.url, "/api/status").json["charts"] is True


def test_an_endpoint_that_fails_is_said_and_asked_again(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metrics_poll, "_EVERY_SECONDS", 0.05)
    with MetricsPoller("http://127.0.0.1:1/metrics") as poller:
        before = poller.version
        give_up = time.monotonic() + 20
        while poller.version < before + 3 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert "127.0.0.1:1/metrics cannot be read: [Errno" in poller.series()["problem"]
        assert poller.series()["times"] == []


def test_an_endless_endpoint_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metrics_poll, "_MOST_BYTES", 0)
    server, thread = start_http_server(0, "127.0.0.1", _one_metric())
    with MetricsPoller(f"http://127.0.0.1:{server.server_port}/metrics") as poller:
        give_up = time.monotonic() + 20
        while poller.series()["problem"] is None and time.monotonic() < give_up:
            time.sleep(0.05)
        assert "it holds more than" in str(poller.series()["problem"])
    server.shutdown()
    thread.join()
    server.server_close()


def _one_metric() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("one", "a metric", registry=registry).set(1)
    return registry


@pytest.mark.parametrize("url", ["localhost:9464", "file:///etc/passwd", "ftp://x/y", "http://"])
def test_only_http_is_polled(url: str) -> None:
    with pytest.raises(ViewError, match="http://127"):
        MetricsPoller(url)
