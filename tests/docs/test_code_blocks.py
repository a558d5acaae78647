"""Every command and code block of the README and the docs runs as it stands there."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from storescope.middleware import ResidencyPolicy
from storescope.middleware._region._decision import REASONS
from tests.docs.viewers import Viewers
from tests.middleware.driver_spans import uninstrument

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"python", "sh", "toml", "text", "json", "sql"}
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
SERVERS = {
    "redis://localhost:6379/0": "redis_url",
    "redis+cluster://localhost:7000": "redis_cluster_url",
    "dynamodb://agents?region=eu-west-1": "dynamodb_url",
    "postgresql://agent:secret@localhost:5432/agents": "postgres_url",
}
"""The URL that the docs name -> the fixture whose URL stands for it."""
DOCUMENTED_BRIDGE = "http://127.0.0.1:8377"


class Block(NamedTuple):
    language: str
    line: int
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text()
    fenced = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], text[: match.start()].count("\n") + 2, match[2]) for match in fenced]


def page_id(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page.name}:{block.line}"


@pytest.mark.unmeasured
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=page_id)
async def test_the_blocks_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """All but SQL: a test of Postgres runs the grants, and then works as the role that has them."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "policy.toml", tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    with Viewers() as viewers:
        if any("storescope view" in block.text for block in blocks(page)):  # else commands would wait for nobody
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{viewers.port}")
        text = "".join(block.text for block in blocks(page))
        servers = {url: request.getfixturevalue(fixture) for url, fixture in SERVERS.items() if url in text}
        await _run_page(page, tmp_path, viewers, servers)


async def _run_page(page: Path, folder: Path, viewers: Viewers, servers: dict[str, str]) -> None:
    namespace: dict[str, Any] = {}
    printed = ""  # by the last command
    for block in blocks(page):
        text = block.text
        for documented, url in servers.items():
            text = text.replace(documented, url)
        text = text.replace(DOCUMENTED_BRIDGE, f"http://127.0.0.1:{viewers.port}")
        if block.language == "python":
            await _run_python(text, f"{page.name}:{block.line}", namespace)
        elif block.language == "sh":
            printed = _run_commands(text, viewers)
        elif block.language == "text" and printed:
            assert_shown(text, printed)
            printed = ""
        elif block.language == "toml":
            (folder / "policy.toml").write_text(text)
            ResidencyPolicy.load(folder / "policy.toml")


async def _run_python(text: str, where: str, namespace: dict[str, Any]) -> None:
    """Run a block as if it stood in the body of an async function; one that is a whole program, as that."""
    if "asyncio.run(" in text:
        _run_program(text)
        return
    code = compile(text, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.isawaitable(result):
        await result


def _run_program(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, timeout=60)


def _run_commands(text: str, viewers: Viewers) -> str:
    """Run each line as a command; a comment may say `exits 1`. Return what the last one printed.

    A viewer runs on until the page or the next one ends it. What `pip install` would bring is here already: only
    the extra that it names must be there; tests/view installs it from the wheel.
    """
    printed = ""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        # `make test` is what runs this; make is asked what it would do.
        command = ["make", "-C", str(ROOT), "-n", *words[1:]] if words[0] == "make" else words
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if words[:2] == ["pip", "install"]:
            assert _extras_of(words[2:]) <= EXTRAS
            continue
        if viewers.serves(words):
            printed = viewers.start(words, path)
            continue
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=110
        )
        exits = re.search(r"# .*\bexits (\d+)", line)
        assert done.returncode == int(exits[1] if exits else 0), f"{line}: {done.stdout}{done.stderr}"
        printed = done.stdout
    return printed


def _extras_of(requirements: list[str]) -> set[str]:
    """Return the extras of storescope that are named, and nothing else may be."""
    named = [re.fullmatch(r"storescope\[([\w,]+)\]", requirement) for requirement in requirements]
    return {extra for fits in named for extra in (fits[1] if fits else "what is this?").split(",")}


def assert_shown(shown: str, printed: str) -> None:
    """Hold a text block after commands to what they print: what stands between lines of `...`, in this order."""
    rest = _stable(printed)
    for part in filter(str.strip, re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)):
        _, found, rest = rest.partition(_stable(part))
        assert found, f"{part}is not in:\n{printed}"


def _stable(text: str) -> str:
    """Return a text without what differs from run to run: where lines break, and how many updates got lost."""
    return " ".join(re.sub(r"\bgot \d+", "got N", text).split())


@pytest.mark.parametrize("shown", ["a b\n", "a\n...\ngot 3 of b\n...\n", "...\nc\n"])
def test_a_text_block_may_leave_out_lines_and_break_others(shown: str) -> None:
    assert_shown(shown, "a\nb\ngot 41\nof b\nc\n")


@pytest.mark.parametrize("shown", ["b a\n", "c\n...\na\n", "a\n...\nd\n", "a\ngot 3\n"])
def test_a_text_block_that_shows_what_is_not_printed_is_caught(shown: str) -> None:
    with pytest.raises(AssertionError, match="is not in"):
        assert_shown(shown, "a\nb\ngot 41\nof b\nc\n")


def test_the_residency_page_lists_every_code() -> None:
    codes = set(re.findall(r"`(\w+)`", _page("residency.md").split("| code |")[1].split("\n\n")[0]))
    assert set(REASONS) <= codes


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.fixture(autouse=True)
def drivers_as_before() -> Generator[None]:
    """Pages may turn on driver spans for the process."""
    yield
    uninstrument()
