"""Several worker processes behind one socket."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.apps.command import storescope
from tests.bridge.bridges import Bridge, metric, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
EU = "aws:eu-west-1"
ACME = {"Storescope-Tenant": "acme", "Storescope-Region": EU}
OPERATIONS, RECORDS = "agent_storage_operations_total", "agent_storage_audit_records_total"
FAILURES = "agent_storage_residency_policy_reload_failures_total"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Generator[Bridge]:
    """Two workers with a policy and an audit log."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "policy.toml").write_text((ROOT / "examples" / "policy.toml").read_text())
    arguments = ("--backend", "local:store", "--region", EU, "--policy", "policy.toml", "--audit", "audit")
    with serving(*arguments, "--workers", "2", cwd=folder) as made:
        wait_for(lambda: len(workers(made)) == 2)
        yield made


def workers(bridge: Bridge) -> list[int]:
    """Return the processes that serve; the parent has another one, which tracks what the processes share."""
    parent = bridge.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_ready(bridge: Bridge) -> bool:
    try:
        return bridge.get("/readyz").status == 200
    except (OSError, HTTPException):
        return False


def test_metrics_add_up(bridge: Bridge) -> None:
    """Those of the audit log and of the policy too, though they are read only when asked for."""
    wait_for(lambda: metric(bridge, RECORDS, phase="header") == 2)  # each has a stream of its own
    before = metric(bridge, OPERATIONS, operation="session.set")
    for number in range(20):
        assert bridge.call("session.set", ACME, id=f"s{number}", value={"n": number}).status == 200
    assert metric(bridge, OPERATIONS, operation="session.set") == before + 20
    wait_for(lambda: metric(bridge, RECORDS, phase="intent") == 20)
    wait_for(lambda: metric(bridge, RECORDS, phase="outcome") == 20)
    assert metric(bridge, "agent_storage_audit_wait_seconds_count") == 20
    assert metric(bridge, "agent_storage_audit_wait_seconds_bucket", le="+Inf") == 20
    assert metric(bridge, "agent_storage_residency_policy_info", version="2026-11") == 1
    assert metric(bridge, "agent_storage_audit_disk_free_bytes") > 0


def test_a_worker_that_is_killed(bridge: Bridge) -> None:
    """Another takes its place and the other serves on; and what was acknowledged is there."""
    victim, *others = workers(bridge)
    operations = metric(bridge, OPERATIONS, operation="setup.set")
    over = Event()
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(_write, bridge, writer, over) for writer in range(4)]
        wait_for(lambda: metric(bridge, OPERATIONS, operation="setup.set") > operations + 20)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(workers(bridge)) == 2 and victim not in workers(bridge))
        over.set()
        acknowledged = [name for writer in writers for name in writer.result()]
    assert set(others) <= set(workers(bridge))
    wait_for(lambda: is_ready(bridge))
    for name in acknowledged:
        assert bridge.call("setup.get", ACME, id=name).json == {"result": {"id": name}}
    assert metric(bridge, OPERATIONS, operation="setup.set") >= len(acknowledged)
    wait_for(lambda: metric(bridge, RECORDS, phase="header") == 3)  # the new one's stream


def _write(bridge: Bridge, writer: int, over: Event) -> list[str]:
    """Write until it is over; return the ids of what was acknowledged."""
    acknowledged, number = [], 0
    while not over.is_set():
        number += 1
        name = f"w{writer}-{number}"
        try:
            answer = bridge.call("setup.set", ACME, id=name, value={"id": name})
        except (OSError, HTTPException):  # it was with the one that died: no answer, neither good nor bad
            continue
        assert answer.status == 200, answer
        acknowledged.append(name)
    return acknowledged


def test_a_policy_that_is_wrong_is_counted(bridge: Bridge) -> None:
    """By each worker; the one before it decides on, and is still the one that the metrics name."""
    policy = bridge.folder / "policy.toml"
    before = policy.read_text()
    policy.write_text("no policy")
    wait_for(lambda: metric(bridge, FAILURES) == 2)
    assert metric(bridge, "agent_storage_residency_policy_info", version="2026-11") == 1
    assert bridge.call("session.get", ACME, id="a").status == 200
    policy.write_text(before.replace("2026-11", "2026-12"))
    wait_for(lambda: metric(bridge, "agent_storage_residency_policy_info", version="2026-12") == 1)
    wait_for(lambda: metric(bridge, "agent_storage_residency_policy_info") == 1)  # of the old one nothing is left


def test_workers_that_cannot_start_end_it(tmp_path: Path) -> None:
    done = storescope("serve", "--port", "0", "--workers", "2", "--policy", "none.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "none.toml" in done.stderr
