"""The suite on every shipped backend, bare and wrapped."""

from __future__ import annotations

import os

import pytest

from storescope.backends import open_backend
from storescope.conformance import CASES, Case, Reopen, Result, Subject, run, run_case
from tests.conformance import wrapping


def shared(url: str) -> bool:
    """Return whether other processes can open the store; the dicts of `memory:` are one process's own."""
    return not url.startswith("memory:")


def unexpected(result: Result, url: str) -> bool:
    """Return whether a result is not what it has to be on this store."""
    wanted = "pass" if shared(url) or not result.case.needs_reopen else "not_applicable"
    return result.status != wanted


def cases_for(wrapper: str, url: str) -> tuple[Case, ...]:
    """Return the cases to run.

    Those that start processes take most of the time, and wait for make test-long; so does most of what a single
    wrapper does over a cluster, which it has done over one Redis server.
    """
    cluster = url.startswith("redis+cluster:")
    if (wrapper == "all" and not cluster) or "STORESCOPE_LONG" in os.environ:
        return CASES
    quick = tuple(case for case in CASES if not case.needs_reopen)
    return quick[::6] if cluster and wrapper != "all" else quick


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_bare_backend_conforms(case: Case, backend_url: str) -> None:
    reopen = Reopen("storescope.backends:open_backend", (backend_url,)) if shared(backend_url) else None
    async with open_backend(backend_url) as backend:
        result = await run_case(case, Subject(backend, reopen))
    assert not unexpected(result, backend_url), result.why


@pytest.mark.parametrize("wrapper", [name for name in wrapping.WRAPPERS if name != "bare"])
async def test_a_wrapped_backend_conforms(wrapper: str, backend_url: str) -> None:
    arguments = (backend_url, wrapper)
    reopen = Reopen(f"{wrapping.__file__}:open_wrapped", arguments) if shared(backend_url) else None
    async with wrapping.open_wrapped(*arguments) as handlers:
        results = await run(Subject(handlers, reopen), cases_for(wrapper, backend_url))
    wrong = [f"{result.case.name}: {result.why}" for result in results if unexpected(result, backend_url)]
    assert not wrong
