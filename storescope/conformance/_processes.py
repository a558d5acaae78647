"""Promises about several processes on one store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.conformance._case import LISTED, UPDATED, Theme
from storescope.conformance._concurrency import FIFTY, expect_all_fields, expect_same_order, fifty_fields
from storescope.conformance._probe import ExpectationError, NotApplicableError, fresh_id
from storescope.conformance._spawn import run_elsewhere
from storescope.context import current_context
from storescope.store import Store

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

theme = Theme()

_PROCESSES = 5


@theme.case("promise", UPDATED, "get", "set", "update", needs_reopen=True)
async def updates_from_processes_survive(probe: Probe) -> None:
    """Of fifty concurrent updates of one record to different fields, from several processes, fifty survive."""
    id_ = fresh_id()
    before = await probe.add(id_, note="before")
    await _run(probe, "update", [{"id": id_, "updates": updates} for updates in fifty_fields()])
    what = f"{probe.entity}.get after fifty concurrent updates from {_PROCESSES} processes"
    expect_all_fields(before, await probe.get(id_), what)


@theme.case("promise", LISTED, "set", "listBySession", needs_reopen=True)
async def inserts_from_processes_are_listed(probe: Probe) -> None:
    """Of fifty records that several processes insert into one session at once, each is listed, once."""
    ids = [fresh_id() for _ in range(FIFTY)]
    await _run(probe, "set", [{"id": id_, "value": probe.record(id_)} for id_ in ids])
    await expect_same_order(probe, ids, f"fifty concurrent inserts from {_PROCESSES} processes")


async def _run(probe: Probe, verb: str, calls: list[dict[str, Any]]) -> None:
    """Make the calls from several processes at once."""
    reopen = probe.subject.reopen
    if reopen is None:
        raise NotApplicableError("it was not said how another process opens the same store (reopen)")
    context = current_context()
    stores = [Store(f"{probe.entity}.{verb}", params, context) for params in calls]
    raised = await run_elsewhere(reopen, [stores[start::_PROCESSES] for start in range(_PROCESSES)])
    if raised:
        raise ExpectationError(
            f"{probe.entity}.{verb} in another process: expected every call to return, "
            f"but {len(raised)} of {len(calls)} raised, the first {raised[0]}"
        )
