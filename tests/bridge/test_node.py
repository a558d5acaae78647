"""Agents and handlers in Node, against real bridges."""

from __future__ import annotations

from pathlib import Path

from storescope.backends import open_backend
from storescope.conformance import CASES, Subject, run
from tests.bridge.bridges import serving
from tests.bridge.tokens import make_token
from tests.bridge.typescript import node_server, run_node_tests
from tests.rounds import LONG
from tests.servers import free_port

HERE = Path(__file__).parent
POLICY = HERE.parents[1] / "examples" / "policy.toml"
SERVER = HERE / "serve_handlers.mjs"
_CORE = [case for case in CASES if case.kind == "core"]
# All of every entity in make test-long; else each once, with the entity that stands first, and all of lists.
CORE = tuple(_CORE if LONG else {case.function: case for case in reversed(_CORE)}.values())


async def failures(url: str) -> list[str]:
    async with open_backend(f"storescope+{url}", timeout=60) as backend:
        assert not backend.info.keeps_labels  # a team's own table may drop what it does not know
        results = await run(Subject(backend), CORE, at_once=1)
    return [f"{result.case.name}: {result.why}" for result in results if result.status == "fail"]


async def test_node_to_bridge_to_nodes_own_handlers_conforms(typescript: Path, tmp_path: Path) -> None:
    """The suite -> `serveHandlers(handlers({url}))` -> bridge -> `serveHandlers(own)`: all in one chain."""
    token = make_token(tmp_path / "tokens.toml")
    with (
        node_server(SERVER, typescript, "own") as own,
        serving("--backend", f"storescope+{own}", "--token-file", "tokens.toml", cwd=tmp_path) as bridge,
        node_server(SERVER, typescript, bridge.url, token) as url,
    ):
        assert not await failures(url)


def test_an_agent_in_node(typescript: Path, tmp_path: Path) -> None:
    token = make_token(tmp_path / "tokens.toml")
    backend = ("--backend", "memory:", "--region", "aws:eu-west-1")
    with serving(*backend, "--policy", POLICY, "--token-file", "tokens.toml", cwd=tmp_path) as bridge:
        closed = f"http://127.0.0.1:{free_port()}"
        run_node_tests(HERE / "client.test.mjs", typescript, BRIDGE=bridge.url, TOKEN=token, CLOSED=closed)
