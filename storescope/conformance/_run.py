"""Running cases and telling what came of them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from storescope.conformance._case import Case, Result, Subject
from storescope.conformance._probe import ExpectationError, NotApplicableError, Probe, named

NO_HANDLER = "the map has no handler for "

SECONDS = 60.0
"""After how long a case is given up, unless it is said otherwise."""


async def run_case(case: Case, subject: Subject, *, seconds: float = SECONDS) -> Result:
    """Run one case.

    Args:
        case: The case.
        subject: What it is tried on.
        seconds: When to give it up as failed.

    Returns:
        What came of it; a case that fails does not raise.
    """
    obstacle = _obstacle(case, subject)
    if obstacle:
        return Result(case, "not_applicable", obstacle)
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await case.function(Probe(subject, case.entity))
    except NotApplicableError as reason:
        return Result(case, "not_applicable", str(reason))
    except ExpectationError as unmet:
        return Result(case, "fail", str(unmet))
    except Exception as error:  # what came back was so odd that the case itself stumbled over it
        if limit.expired():
            return Result(case, "fail", f"expected an end within {seconds:g} s, but a call still had not returned")
        return Result(case, "fail", f"what the map returned could not be read: {named(error)}")
    return Result(case, "pass")


async def run_all(
    subject: Subject, cases: tuple[Case, ...], *, at_once: int, seconds: float = SECONDS
) -> list[Result]:
    """Run cases, some at once, and return their results in order."""
    places = asyncio.Semaphore(at_once)
    processes = asyncio.Lock()  # each process has a pool of connections, and a server has only so many

    async def run_one(case: Case) -> Result:
        async with processes if case.needs_reopen else nullcontext(), places:
            return await run_case(case, subject, seconds=seconds)

    return await asyncio.gather(*map(run_one, cases))


def _obstacle(case: Case, subject: Subject) -> str:
    """Return why the case cannot be tried; empty if it can."""
    missing = [name for name in case.needs if name not in subject.handlers]
    if missing:
        return NO_HANDLER + ", ".join(missing)
    if case.needs_reopen and subject.reopen is None:
        return "it was not said how another process opens the same store (reopen)"
    return ""
