"""The commands that make spans send them where the OTEL_* variables say."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.apps.command import assert_one_line, storescope
from tests.otlp import collector, values
from tests.rounds import LONG

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({}, "storescope-demo"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "theirs"),
        *(
            [({"OTEL_SERVICE_NAME": "mine"}, "mine"), ({"OTEL_TRACES_EXPORTER": "otlp"}, "storescope-demo")]
            if LONG
            else ()
        ),
    ],
)
def test_an_endpoint_receives_the_demos_spans(variables: dict[str, str], service: str, tmp_path: Path) -> None:
    with collector() as collected:
        done = storescope(
            "demo", "--json", cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collected.endpoint, **variables
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert collected.services == {service}
    names = {span.name for span in collected.spans}
    assert {"agent turn 1", "session.set", "message.set"} <= names
    sessions = {values(span.attributes).get("gen_ai.conversation.id") for span in collected.spans}
    assert json.loads(done.stdout)["session"] in sessions


def test_a_collector_that_is_away_fails_no_command(tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    done = storescope("demo", "--json", cwd=tmp_path, **variables)
    assert done.returncode == 0
    assert json.loads(done.stdout)["trace"]


@pytest.mark.unmeasured
@pytest.mark.parametrize("variables", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_SAMPLER": "always_off"}])
def test_tracing_that_is_switched_off_makes_no_spans(variables: dict[str, str], tmp_path: Path) -> None:
    with collector() as collected:
        done = storescope("demo", cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collected.endpoint, **variables)
        assert done.returncode == 0, done.stderr
        assert collected.spans == []
    assert "the OTEL_* variables switch traces off" in done.stdout


def test_variables_that_cannot_be_followed_are_one_line(tmp_path: Path) -> None:
    done = storescope("demo", cwd=tmp_path, OTEL_TRACES_EXPORTER="nonsense")
    assert "'nonsense' not found" in assert_one_line(done, 2)
    done = storescope(
        "demo",
        cwd=tmp_path,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_BSP_SCHEDULE_DELAY="x",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert done.returncode == 0  # the SDK warns and takes its default


def test_a_missing_exporter_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import importlib.metadata as m, sys\n"
        "real = m.entry_points\n"
        "import opentelemetry.sdk._configuration as c\n"
        "c.entry_points = lambda **k: () if k.get('name') == 'otlp_proto_http' else real(**k)\n"
        "from storescope.apps import main\n"
        "sys.argv = ['storescope', 'demo']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "otlp"},
    )
    assert "storescope[otlp]" in assert_one_line(done, 2)
