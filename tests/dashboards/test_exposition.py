"""What we expose, judged by Prometheus's own linter."""

from __future__ import annotations

import subprocess

from prometheus_client import CollectorRegistry, generate_latest

from tests.dashboards import live_traffic
from tests.dashboards.prometheus_server import find_binary


def lint(exposition: bytes) -> tuple[int, str]:
    """Run `promtool check metrics`."""
    command = [find_binary("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=exposition, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


async def test_promtool_finds_nothing_to_complain_about() -> None:
    registry = CollectorRegistry()
    await live_traffic.one_round(live_traffic.wrapped_on(registry))
    assert lint(generate_latest(registry)) == (0, "")


def test_promtool_would_complain() -> None:
    status, words = lint(b"# TYPE agentStorage counter\nagentStorage 1\n")
    assert status != 0
    assert "counter metrics should have" in words
