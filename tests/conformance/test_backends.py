"""The suite on every shipped backend, bare and wrapped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from storescope.backends import open_backend
from storescope.conformance import CASES, Case, Reopen, Result, Subject, run, run_case
from tests.conformance import wrapping

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["local", "memory", "postgres", "redis"])
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind but DynamoDB, which has a test for all cases at once."""
    if request.param in {"postgres", "redis"}:
        url: str = request.getfixturevalue(f"{request.param}_url")
        return url
    return {"local": f"local:{tmp_path / 'store'}", "memory": "memory:"}[request.param]


def shared(url: str) -> bool:
    """Return whether other processes can open the store; the dicts of `memory:` are one process's own."""
    return not url.startswith("memory:")


def unexpected(result: Result, url: str) -> bool:
    """Return whether a result is not what it has to be on this store."""
    wanted = "pass" if shared(url) or not result.case.needs_reopen else "not_applicable"
    return result.status != wanted


def cases_for(wrapper: str) -> tuple[Case, ...]:
    """Return the cases to run; those that start processes take most of the time, and wait for make test-long."""
    if wrapper == "all" or "STORESCOPE_LONG" in os.environ:
        return CASES
    return tuple(case for case in CASES if not case.needs_reopen)


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
        results = await run(Subject(handlers, reopen), cases_for(wrapper))
    wrong = [f"{result.case.name}: {result.why}" for result in results if unexpected(result, backend_url)]
    assert not wrong
