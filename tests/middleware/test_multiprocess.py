"""Several worker processes behind one endpoint, in prometheus-client's multi-process mode."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Generator

WORKER = Path(__file__).with_name("multiprocess_worker.py")
ROOT = Path(__file__).parents[2]
CALLS = (3, 5, 7)


@contextmanager
def worker(folder: Path, calls: int) -> Generator[subprocess.Popen[str]]:
    """A worker that has made its calls, and has one in flight."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, WORKER, str(calls)],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@contextmanager
def endpoint(folder: Path) -> Generator[str]:
    """The one endpoint, as docs/metrics.md has it."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call] # prometheus-client has no types
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def scrape(url: str) -> dict[tuple[str, str], float]:
    """Return the samples of `session.get` by name and outcome, error type or bucket."""
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            assert "pid" not in labels, name
            if labels.get("operation", "session.get") == "session.get":
                found[name, labels.get("outcome") or labels.get("error_type") or ""] = value
    return found


def test_three_workers_add_up(tmp_path: Path) -> None:
    with ExitStack() as running, endpoint(tmp_path) as url:
        workers = [running.enter_context(worker(tmp_path, calls)) for calls in CALLS]
        seen = scrape(url)
        assert seen["agent_storage_operations_total", "ok"] == sum(CALLS)
        assert seen["agent_storage_operations_total", "error"] == 3
        assert seen["agent_storage_operation_duration_seconds_count", "ok"] == sum(CALLS)
        assert seen["agent_storage_errors_total", "ValueError"] == 3
        assert seen["agent_storage_operations_in_flight", ""] == 3
        assert seen["agent_storage_build_info", ""] == 1
        # What custom collectors tell is missing, as the page says.
        assert not [name for name, _ in seen if "policy" in name or "audit" in name or "exception" in name]
        workers[0].kill()
        workers[0].wait()
        mark_process_dead(workers[0].pid, str(tmp_path))  # type: ignore[no-untyped-call] # as above
        seen = scrape(url)
        assert seen["agent_storage_operations_in_flight", ""] == 2  # what was in flight died with it
        assert seen["agent_storage_operations_total", "ok"] == sum(CALLS)  # and what it counted stays
