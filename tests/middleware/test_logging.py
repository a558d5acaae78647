"""storescope's own lines go where the application's go, and never to its stdout."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from storescope.middleware import _log
from storescope.middleware._log import logger, telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def lines() -> Generator[list[dict[str, Any]]]:
    """What an application that configured structlog sees."""
    seen: list[dict[str, Any]] = []

    def keep(_: Any, __: str, event: Any) -> Any:
        seen.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield seen
    structlog.reset_defaults()


def test_a_configured_structlog_is_used(lines: list[dict[str, Any]]) -> None:
    logger().info("storescope.test", a=1)
    assert lines == [{"event": "storescope.test", "a": 1}]


def test_without_one_warnings_go_to_stderr_as_json(tmp_path: Path) -> None:
    code = "from storescope.middleware._log import logger; logger().info('quiet'); logger().warning('loud', a=1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == ""
    line = json.loads(done.stderr)
    assert (line["event"], line["a"], line["level"]) == ("loud", 1, "warning")


def test_a_fault_is_told_once_a_minute_without_its_text(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _log._last_reported.clear()
    now = 1000.0
    monkeypatch.setattr("storescope.middleware._log.time.monotonic", lambda: now)
    for _ in range(3):
        telemetry_failed("metrics", ValueError("secret"))
    telemetry_failed("metrics", KeyError("secret"))
    now += 61
    telemetry_failed("metrics", ValueError("secret"))
    assert [line["error_type"] for line in lines] == ["ValueError", "KeyError", "ValueError"]
    assert "secret" not in str(lines)


def test_logging_that_fails_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _log._last_reported.clear()

    def fail() -> Any:
        raise RuntimeError

    monkeypatch.setattr(_log, "logger", fail)
    telemetry_failed("metrics", ValueError("x"))
    assert logging.getLogger("storescope").handlers == []
