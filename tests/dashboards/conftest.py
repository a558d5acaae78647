from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from storescope import dashboards
from tests.dashboards import live_traffic, prometheus_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboards.prometheus_server import Prometheus

_SCRAPES = 6  # more than `$__rate_interval` needs


@pytest.fixture(params=sorted(path.name for path in dashboards.GRAFANA.glob("*.json")))
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each committed dashboard in turn."""
    model: dict[str, Any] = orjson.loads((dashboards.GRAFANA / request.param).read_bytes())
    return model


@pytest.fixture(scope="module")  # no longer: the traffic draws random ids, which hypothesis would take for its own
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with live traffic under the job `agents`, and under `idle` a store that nobody calls."""
    busy, idle = CollectorRegistry(), CollectorRegistry()
    live_traffic.wrapped_on(idle)
    with (
        live_traffic.flowing(busy),
        live_traffic.serving(busy) as busy_port,
        live_traffic.serving(idle) as idle_port,
        prometheus_server.running(
            tmp_path_factory.mktemp("prometheus"), {"agents": busy_port, "idle": idle_port}
        ) as server,
    ):
        for job in ("agents", "idle"):
            server.wait_for(f'count_over_time(up{{job="{job}"}}[1m])', lambda count: count >= _SCRAPES)
        yield server
