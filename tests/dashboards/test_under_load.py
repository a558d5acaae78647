"""Under `storescope load`, a real Prometheus has what dashboards and alerts ask for, policy and audit log too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboards import prometheus_server
from tests.dashboards.grafana_json import substitute, targets, values_of
from tests.dashboards.prometheus_server import is_finite
from tests.load.loads import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboards.prometheus_server import Prometheus

pytestmark = pytest.mark.unmeasured

_SECONDS = 24
_REFUSED = 'increase(agent_storage_audit_failures_total{job="load", reason="write"}[10s])'


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a load under the job `load`, and has seen its audit log refuse a record."""
    folder = tmp_path_factory.mktemp("loaded")
    with (
        running(folder, "--seconds", _SECONDS, "--errors", 0.05, "--denials", 0.05) as load,
        prometheus_server.running(folder, {"load": int(load.url.split(":")[2].split("/")[0])}) as server,
    ):
        server.wait_for(_REFUSED, lambda count: count > 0, seconds=_SECONDS)
        yield server


def test_every_query_has_data(loaded: Prometheus, board: dict[str, Any]) -> None:
    values = values_of(board, {"job": "load"})
    empty = [
        str(target)
        for target in targets(board)
        if not any(map(is_finite, loaded.samples(substitute(target.expr, values))))
    ]
    assert empty == []


@pytest.mark.parametrize("decision", ["allow", "deny", "would_deny", "exception"])
def test_every_decision_has_a_rate(loaded: Prometheus, decision: str) -> None:
    expr = f'sum(rate(agent_storage_residency_decisions_total{{job="load", decision="{decision}"}}[10s]))'
    assert any(rate > 0 for rate in loaded.samples(expr))


@pytest.mark.parametrize(
    "expr",
    [
        'sum(rate(agent_storage_audit_records_total{job="load", phase="intent"}[10s]))',
        'histogram_quantile(0.99, sum by (le) (rate(agent_storage_audit_wait_seconds_bucket{job="load"}[10s])))',
        'agent_storage_audit_disk_free_bytes{job="load"}',
        'agent_storage_residency_policy_info{job="load"}',
        'agent_storage_residency_exception_expiry_timestamp_seconds{job="load"} - time()',
    ],
)
def test_audit_log_and_policy_are_measured(loaded: Prometheus, expr: str) -> None:
    assert any(is_finite(sample) and sample > 0 for sample in loaded.samples(expr))
