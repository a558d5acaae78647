"""The suite on DynamoDB, as both servers that the tests have speak it; one store for all cases, to spare time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storescope.conformance import CASES, Reopen, Subject, run
from tests.conformance import wrapping
from tests.rounds import LONG

if TYPE_CHECKING:
    from storescope.conformance import Case

pytestmark = pytest.mark.unmeasured

RUNS = [
    ("dynamodb", "bare"),
    ("dynamodb_local", "all"),
    # On dynalite, test_backends.py tries each layer.
    *(("dynamodb_local", wrapper) for wrapper in (("bare", *wrapping.ALONE) if LONG else ())),
]


@pytest.mark.parametrize(("server", "wrapper"), RUNS)
async def test_it_conforms(server: str, wrapper: str, request: pytest.FixtureRequest) -> None:
    arguments = (request.getfixturevalue(f"{server}_url"), wrapper)
    reopen = Reopen(f"{wrapping.__file__}:open_wrapped", arguments)
    async with wrapping.open_wrapped(*arguments) as handlers:
        results = await run(Subject(handlers, reopen), cases_for(server))
    assert not [f"{result.case.name}: {result.why}" for result in results if result.status != "pass"]


def cases_for(server: str) -> tuple[Case, ...]:
    """Return the cases for a server. A request takes a millisecond, of which there are twenty thousand in all.

    So `make test` tries each case once, on one server or the other, and leaves out what is the same for messages
    and parts, and for sessions, sandboxes and setups, and cases that start processes or do the same with many ids.
    """
    if LONG:
        return CASES
    some = [
        case
        for case in CASES
        if case.name.startswith(("message/", "session/")) and not case.needs_reopen and "/odd_" not in case.name
    ]
    return tuple(some[server == "dynamodb" :: 2])
