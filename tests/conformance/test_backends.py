"""The suite on every shipped backend, bare and wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storescope.backends import open_backend
from storescope.conformance import CASES, Case, Reopen, Result, Subject, run, run_case
from tests.conformance import wrapping
from tests.rounds import LONG, on_stores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.unmeasured


def shared(url: str) -> bool:
    """Return whether other processes can open the store; the dicts of `memory:` are one process's own."""
    return not url.removeprefix("kv+").startswith("memory:")


def unexpected(result: Result, url: str) -> bool:
    """Return whether a result is not what it has to be on this store."""
    wanted = "pass" if shared(url) or not result.case.needs_reopen else "not_applicable"
    return result.status != wanted


def cases_for(wrapper: str, url: str) -> tuple[Case, ...]:
    """Return the cases for a wrapped store; those that start processes take most of the time.

    A wrapper is each process's own: what processes share is the store, which is tried bare. So all layers on one
    store are enough; make test-long tries every wrapper on every store.
    """
    if LONG or (wrapper == "all" and url.startswith("local:")):
        return CASES
    return tuple(case for case in CASES if not case.needs_reopen)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_bare_backend_conforms(case: Case, backend_url: str) -> None:
    reopen = Reopen("storescope.backends:open_backend", (backend_url,)) if shared(backend_url) else None
    async with open_backend(backend_url) as backend:
        result = await run_case(case, Subject(backend, reopen))
    assert not unexpected(result, backend_url), result.why


@on_stores("memory")
@pytest.mark.parametrize("wrapper", wrapping.ALONE)
async def test_a_layer_alone_conforms(wrapper: str, backend_url: str) -> None:
    """Which layer is at fault, should all of them together be at fault; those are tried on every store."""
    await assert_conforms(wrapper, backend_url)


async def test_all_layers_together_conform(backend_url: str) -> None:
    await assert_conforms("all", backend_url)


async def assert_conforms(wrapper: str, url: str) -> None:
    reopen = Reopen(f"{wrapping.__file__}:open_wrapped", (url, wrapper)) if shared(url) else None
    async with wrapping.open_wrapped(url, wrapper) as handlers:
        await assert_all_pass(Subject(handlers, reopen), cases_for(wrapper, url), url)


def each_pinned(test: Callable[..., Any]) -> Any:
    """Let a test run on every store behind both that follow pins; in make test, on one store behind each."""
    if LONG:
        return pytest.mark.parametrize("wrapper", wrapping.PINNED)(test)
    pairs = list(zip(wrapping.PINNED, ("memory", "local"), strict=True))
    return pytest.mark.parametrize(("wrapper", "backend_url"), pairs, indirect=["backend_url"])(test)


@each_pinned
async def test_a_map_that_follows_pins_conforms(wrapper: str, backend_url: str, tmp_path: Path) -> None:
    registry = f"local:{tmp_path / 'pins'}" if LONG and shared(backend_url) else "memory:"
    settings = (backend_url, wrapper, registry)
    reopen = None if registry == "memory:" else Reopen(f"{wrapping.__file__}:open_pinned", settings)
    async with wrapping.open_pinned(*settings) as handlers:
        await assert_all_pass(Subject(handlers, reopen), cases_for(wrapper, backend_url), backend_url)


async def assert_all_pass(subject: Subject, cases: tuple[Case, ...], url: str) -> None:
    results = await run(subject, cases)
    wrong = [f"{result.case.name}: {result.why}" for result in results if unexpected(result, url)]
    assert not wrong
