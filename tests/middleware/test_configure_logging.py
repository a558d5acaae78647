"""`configure_logging`: every line has its time, level and ids, as JSON or for a terminal, on stderr."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from storescope import WrapError, wrap
from storescope.middleware import _log as own_log
from storescope.middleware import configure_logging, tracing
from storescope.middleware._log import telemetry_failed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from opentelemetry.sdk.trace.sampling import Sampler


@pytest.fixture(autouse=True)
def as_before() -> Generator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    written = capsys.readouterr()
    assert written.out == ""  # which belongs to the application
    return [json.loads(line) for line in written.err.splitlines()]


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
async def test_a_line_inside_a_call_has_the_ids_of_its_span(
    sampler: Sampler, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    seen: list[Any] = []

    async def get(*, id: str) -> None:
        from opentelemetry.trace import get_current_span  # noqa: PLC0415 (what the handler itself would see)

        seen.append(get_current_span().get_span_context())
        structlog.get_logger().info("mine", n=1)

    layer = tracing(tracer_provider=TracerProvider(sampler=sampler))
    await wrap({"session.get": get}, layer)["session.get"](id="s1")
    (line,) = lines(capsys)
    assert line["trace_id"] == f"{seen[0].trace_id:032x}"
    assert line["span_id"] == f"{seen[0].span_id:016x}"
    assert (line["event"], line["n"], line["level"]) == ("mine", 1, "info")
    made = datetime.fromisoformat(line["timestamp"])
    assert made.tzinfo == UTC
    assert abs((datetime.now(UTC) - made).total_seconds()) < 60


def test_outside_a_span_there_are_none_and_a_lines_own_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.get_logger().warning("outside")
    with TracerProvider().get_tracer("agent").start_as_current_span("turn"):
        structlog.get_logger().warning("own", trace_id="a", span_id="b")
    outside, own = lines(capsys)
    assert not {"trace_id", "span_id"} & set(outside)
    assert (own["trace_id"], own["span_id"]) == ("a", "b")


def test_storescopes_own_lines_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    own_log._last_reported.clear()
    configure_logging()
    structlog.contextvars.bind_contextvars(request="r1")
    with TracerProvider().get_tracer("agent").start_as_current_span("turn") as turn:
        telemetry_failed("metrics", ValueError("secret"))
    (line,) = lines(capsys)
    assert line["trace_id"] == f"{turn.get_span_context().trace_id:032x}"
    assert (line["event"], line["layer"], line["request"]) == ("storescope.telemetry_failed", "metrics", "r1")


def test_the_level_holds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="error")
    structlog.get_logger().warning("quiet")
    structlog.get_logger().error("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_for_a_terminal_it_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=False)
    structlog.get_logger().info("mine", n=1)
    assert re.search(r"\d{4}-\d\d-\d\dT\S+Z \[info *\] mine +n=1", capsys.readouterr().err)


def test_an_exception_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    try:
        int("the application's own")
    except ValueError:
        structlog.get_logger().exception("failed", odd=object(), half="\ud800")
    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]
    assert line["half"] == "\ud800"


def test_another_level_is_refused() -> None:
    wrong: Any = "loud"
    with pytest.raises(WrapError, match="debug, info, warning, error, critical, not 'loud'"):
        configure_logging(level=wrong)


def test_unconfigured_lines_have_the_ids_too(tmp_path: Path) -> None:
    code = (
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from storescope.middleware._log import logger\n"
        "with TracerProvider().get_tracer('x').start_as_current_span('turn'):\n"
        "    logger().warning('loud')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert re.fullmatch(r"[0-9a-f]{32}", json.loads(done.stderr)["trace_id"])
