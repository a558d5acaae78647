"""The conformance suite through a real bridge, on every backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.conformance import CASES, Reopen, Subject, run
from storescope.middleware import region_guard
from tests.bridge.bridges import serving
from tests.policies import EU_ONLY, REGION

if TYPE_CHECKING:
    from pathlib import Path

LONG = "STORESCOPE_LONG" in os.environ


async def test_a_bridge_conforms(backend_url: str, tmp_path: Path) -> None:
    """Core and promises, other processes too: whoever talks to a bridge finds what the backend promises.

    The suite makes 8,000 requests for each backend: that is for make test-long. In make test the core cases of
    messages run, which have every theme: all of them on memory:, one of each theme elsewhere.
    """
    core = [case for case in CASES if case.entity == "message" and case.kind == "core"]
    one_of_each = {case.theme: case for case in core}.values()
    cases = CASES if LONG else tuple(core if backend_url == "memory:" else one_of_each)
    with serving("--backend", backend_url, cwd=tmp_path) as bridge:
        reopen = Reopen("storescope.backends:open_backend", (bridge.backend_url,))
        async with open_backend(bridge.backend_url) as backend:
            results = await run(Subject(backend, reopen), cases)
    wrong = [f"{result.case.name}: {result.why}" for result in results if result.status != "pass"]
    assert not wrong


async def test_a_guard_in_front_of_a_bridge_keeps_its_labels(tmp_path: Path) -> None:
    """`keeps_labels` comes from the store behind the bridge, so that labels travel through it."""
    with serving("--backend", "memory:", "--region", REGION, cwd=tmp_path) as bridge:
        async with open_backend(bridge.backend_url) as backend:
            assert (backend.info.keeps_labels, backend.info.region) == (True, REGION)
            handlers = wrap(backend, region_guard(EU_ONLY, labels="required"))
            with call_context(tenant="acme", region=REGION):
                await handlers["session.set"](id="s", value={"id": "s"})
                assert await handlers["session.get"](id="s") == {"id": "s"}
                assert "$residency" in await backend["session.get"](id="s")


async def test_a_region_that_differs_from_the_bridges_is_a_conflict(tmp_path: Path) -> None:
    """Two sources that do not agree deny, as on every other backend."""
    with serving("--backend", "memory:", "--region", REGION, cwd=tmp_path) as bridge:
        async with open_backend(bridge.backend_url, region="aws:us-east-1") as backend:
            assert backend.info.region_confidence == "conflict"
