"""The conformance suite through a real bridge, on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope import call_context, wrap
from storescope.backends import open_backend
from storescope.conformance import CASES, Reopen, Subject, run
from storescope.middleware import region_guard
from tests.bridge.bridges import serving
from tests.policies import EU_ONLY, REGION
from tests.rounds import LONG

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.conformance import Case


def cases_for(url: str) -> tuple[Case, ...]:
    """Return all cases in make test-long, where each backend meets them; they are 16,000 requests.

    In make test memory: meets all but those of several processes, which take longest, local: all core ones, and
    the others one of each theme.
    """
    if LONG:
        return CASES
    core = [case for case in CASES if case.kind == "core" and not case.needs_reopen]
    few = {case.theme: case for case in core if case.entity == "message"}.values()
    one_process = [case for case in CASES if not case.needs_reopen]
    return tuple({"memory": one_process, "local": core}.get(url.partition(":")[0], few))


@pytest.mark.unmeasured
@pytest.mark.timeout(600)
async def test_a_bridge_conforms(backend_url: str, tmp_path: Path) -> None:
    """Core and promises, other processes too: whoever talks to a bridge finds what the backend promises."""
    cases = cases_for(backend_url)
    with serving("--backend", backend_url, cwd=tmp_path) as bridge:
        reopen = Reopen("storescope.backends:open_backend", (bridge.backend_url,))
        async with open_backend(bridge.backend_url, timeout=60) as backend:  # the machine may be busy
            results = await run(Subject(backend, reopen), cases, at_once=1)
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
