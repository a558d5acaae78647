"""Scraped while it runs, a load shows every outcome, decision and metric; its audit log tells of the gap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from storescope.middleware._definitions import METRICS
from storescope.outcome import OUTCOMES
from tests.apps.command import storescope
from tests.load.loads import Samples, running
from tests.rounds import LONG, on_stores

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unmeasured

COUNTING_CONFLICTS = (
    "redis:",
    "redis+cluster:",
    "postgresql:",
    "kv+local:",
    "kv+redis:",
    "kv+postgresql:",
    "kv+s3:",
)
"""The stores where two updates can meet; the others make one after the other."""


def all_is_there(samples: Samples) -> bool:
    outcomes = samples.by("agent_storage_operations_total", "outcome")
    decisions = samples.by("agent_storage_residency_decisions_total", "decision")
    return (
        all(outcomes[name] for name in OUTCOMES)
        and all(decisions[name] for name in ("allow", "deny", "would_deny", "exception"))
        and samples.total("agent_storage_audit_failures_total") > 0
        and samples.total("agent_storage_audit_records_total", phase="gap") > 0
    )


@on_stores("local", "postgres", "redis")
def test_every_outcome_and_metric_gets_data(backend_url: str, tmp_path: Path) -> None:
    shares = ("--errors", 0.05, "--denials", 0.05)
    with running(
        tmp_path,
        "--backend",
        backend_url,
        "--seconds",
        8 if LONG else 5,
        "--sessions",
        12,
        *shares,
        "--keep",
        "kept",
        "--seed",
        3,
    ) as load:
        conflicts = backend_url.startswith(COUNTING_CONFLICTS)
        samples = load.scrape_until(
            lambda seen: (
                all_is_there(seen) and (not conflicts or seen.total("agent_storage_update_conflicts_total") > 0)
            )
        )
        code, report, err = load.finish()
    assert code == 0, (report, err)
    assert err == ""
    outcomes = samples.by("agent_storage_operations_total", "outcome")
    assert all(outcomes[name] for name in OUTCOMES), outcomes
    decisions = samples.by("agent_storage_residency_decisions_total", "decision")
    assert set(decisions) == {"allow", "deny", "would_deny", "exception"}
    codes = samples.by("agent_storage_residency_decisions_total", "code")
    assert {"allowed", "call_region_forbidden", "tenant_unlisted"} <= set(codes)
    assert samples.by("agent_storage_audit_failures_total", "reason")["write"] == 1
    assert samples.total("agent_storage_audit_records_total", phase="gap") == 1
    assert (report["update_conflicts"] > 0) == conflicts
    assert report["audit"]["unlogged"] == 1
    assert_verified(tmp_path)


def assert_verified(cwd: Path) -> None:
    done = storescope("audit", "verify", "kept/audit", "--key", "kept/auditor.key", "--json", cwd=cwd)
    assert done.returncode in {0, 3}, done.stdout
    assert json.loads(done.stdout)["unlogged"] == 1


def test_no_metric_is_left_out(tmp_path: Path) -> None:
    with running(tmp_path, "--seconds", 3) as load:
        names = load.scrape_until(all_is_there).names()
        load.finish()
    missing = [
        metric.name
        for metric in METRICS
        if not names & {metric.name, f"{metric.name}_count", f"{metric.name}_info"}
    ]
    assert missing == []
