"""`ConformanceTests`, as a user's own pytest runs it: with plugins and without, and warnings as errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from storescope.conformance import CASES

ROOT = Path(__file__).parents[2]
CORE = sum(case.kind == "core" for case in CASES)
SHARED = sum(case.needs_reopen for case in CASES)

HEAD = """
from contextlib import asynccontextmanager

from storescope.backends import open_backend
from storescope.conformance import ConformanceTests, Reopen
from tests.conformance.maps import MemoryMap
"""
FORMS = {
    "plain": "def open(self):\n        return MemoryMap().handlers()",
    "async": "async def open(self):\n        return await open_backend('memory:')",
    "opening": "def open(self):\n        return open_backend('memory:')",
    "manager": (
        "@asynccontextmanager\n    async def open(self):\n"
        "        async with open_backend('memory:') as backend:\n            yield backend"
    ),
}
ASYNCIO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PLUGINS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "all that are installed": (ASYNCIO, {}),
    "pytest-asyncio": (("-p", "pytest_asyncio.plugin", *ASYNCIO), ALONE),  # a third of the time of all
    "none": ((), ALONE),
}


def run_pytest(
    folder: Path, body: str, *options: str, plugins: str = "pytest-asyncio"
) -> tuple[int, dict[str, int], str]:
    """Write a user's test file and run it; return the exit code, the counts and the output."""
    (folder / "test_mine.py").write_text(f"{HEAD}\n\n{dedent(body)}")
    (folder / "pytest.ini").write_text("[pytest]\n")
    loading, environment = PLUGINS[plugins]
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-W", "error"]
    done = subprocess.run(
        [*command, *loading, *options],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    return done.returncode, counts, done.stdout + done.stderr


def subclass(form: str, *attributes: str) -> str:
    return "\n    ".join(["class TestMine(ConformanceTests):", *attributes, form])


@pytest.mark.unmeasured
@pytest.mark.parametrize("plugins", PLUGINS)
def test_a_correct_map_passes_the_core(tmp_path: Path, plugins: str) -> None:
    code, counts, output = run_pytest(tmp_path, subclass(FORMS["plain"]), plugins=plugins)
    assert (code, counts) == (0, {"passed": CORE}), output


@pytest.mark.unmeasured
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_however_it_is_opened(tmp_path: Path, form: str) -> None:
    code, counts, output = run_pytest(tmp_path, subclass(form), "-k", "set_then_get")
    assert (code, counts) == (0, {"passed": 5}), output


def test_with_promises_what_cannot_be_tried_is_skipped_with_its_reason(tmp_path: Path) -> None:
    body = subclass(FORMS["opening"], "promises = True")
    code, counts, output = run_pytest(tmp_path, body, "-rs")
    assert (code, counts) == (0, {"passed": len(CASES) - SHARED, "skipped": SHARED}), output
    assert "how another process opens the same store" in output


@pytest.mark.unmeasured
def test_reopen_tries_several_processes_and_a_fixture_may_say_where(tmp_path: Path) -> None:
    body = """
    import pytest

    class TestMine(ConformanceTests):
        promises = True

        @pytest.fixture(autouse=True)
        def store(self, tmp_path):
            self.url = f"local:{tmp_path}"
            self.reopen = Reopen("storescope.backends:open_backend", (self.url,))

        def open(self):
            return open_backend(self.url)
    """
    code, counts, output = run_pytest(tmp_path, body, "-k", "several or processes")
    assert (code, counts) == (0, {"passed": SHARED}), output


def test_a_failure_says_what_was_expected_and_what_it_protects(tmp_path: Path) -> None:
    body = """
    class Losing(MemoryMap):
        async def set(self, entity, id_, value):
            pass

    class TestMine(ConformanceTests):
        def open(self):
            return Losing().handlers()

        def test_of_their_own(self):
            pass

    async def test_beside_it():
        pass
    """
    code, _, output = run_pytest(tmp_path, body, "-k", "set_then_get or of_their_own or beside")
    assert code == 1
    assert "FAILED test_mine.py::TestMine::test_conforms[session/set_then_get]" in output
    assert "AssertionError: session.get after set: expected {" in output
    assert "protects: What was set is what `get` returns." in output
    assert "5 failed, 2 passed" in output
    assert "_pytest.py:" not in output, "the suite's own code is no part of what a user has to read"


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("pass", "TestMine must define open(), which returns the handler map"),
        ("def open(self):\n        return {}", "it is a handler map without a handler"),
        ("def open(self):\n        raise OSError('no database')", "no database"),
    ],
)
def test_a_map_that_is_not_there_is_no_row_of_skips(tmp_path: Path, form: str, says: str) -> None:
    code, counts, output = run_pytest(tmp_path, subclass(form), "-k", "missing_is_none")
    assert (code, counts) == (1, {"failed": 5}), output
    assert says in output


def test_it_is_not_collected_where_it_is_imported(tmp_path: Path) -> None:
    code, counts, output = run_pytest(tmp_path, "def test_alone(): pass")
    assert (code, counts) == (0, {"passed": 1}), output


def test_importing_the_suite_does_not_import_pytest() -> None:
    code = "import sys, storescope.conformance; print([name for name in sys.modules if 'pytest' in name])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['storescope.conformance._pytest']"
