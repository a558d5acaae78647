"""The suite on DynamoDB, as both servers that the tests have speak it; one store for all cases, to spare time."""

from __future__ import annotations

import pytest

from storescope.conformance import CASES, Reopen, Subject, run
from tests.conformance import wrapping
from tests.rounds import LONG

pytestmark = pytest.mark.unmeasured

RUNS = [("dynamodb", "bare"), ("dynamodb_local", "all")]
if LONG:  # on dynalite, test_backends.py tries each layer too
    RUNS += [("dynamodb_local", wrapper) for wrapper in ("bare", *wrapping.ALONE)]


@pytest.mark.parametrize(("server", "wrapper"), RUNS)
async def test_it_conforms(server: str, wrapper: str, request: pytest.FixtureRequest) -> None:
    """Cases that start processes, which import the SDK for seconds, wait for make test-long."""
    arguments = (f"{request.getfixturevalue(f'{server}_url')}&timeout=60", wrapper)
    reopen = Reopen(f"{wrapping.__file__}:open_wrapped", arguments)
    cases = CASES if LONG else tuple(case for case in CASES if not case.needs_reopen)
    async with wrapping.open_wrapped(*arguments) as handlers:
        results = await run(Subject(handlers, reopen), cases)
    assert not [f"{result.case.name}: {result.why}" for result in results if result.status != "pass"]
