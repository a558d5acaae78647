"""The suite on every shipped backend, bare and wrapped."""

from __future__ import annotations

import pytest

from storescope.conformance import CASES, Case, Reopen, Subject, run_case
from tests.conformance import wrapping


@pytest.mark.parametrize("wrapper", wrapping.WRAPPERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_conformance(case: Case, wrapper: str, backend_url: str) -> None:
    # The dicts of `memory:` are this process's own: no other can open them.
    shared = not backend_url.startswith("memory:")
    reopen = Reopen(f"{wrapping.__file__}:open_wrapped", (backend_url, wrapper)) if shared else None
    async with wrapping.open_wrapped(backend_url, wrapper) as handlers:
        result = await run_case(case, Subject(handlers, reopen))
    expected = "pass" if shared or not case.needs_reopen else "not_applicable"
    assert result.status == expected, result.why
