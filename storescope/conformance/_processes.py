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

theme = Theme("several processes")

_PROCESSES = 5


@theme.case("promise", UPDATED, "get", "set", "update", needs_reopen=True)
async def updates_from_processes_survive(probe: Probe) -> None:
    """Of fifty concurrent updates of one record to different fields, from several processes, fifty survive."""
    id_ = fresh_id()
    before = await probe.add(id_, note="before")
    calls = [{"id": id_, "updates": updates} for updates in fifty_fields()]
    await _run(probe, "update", calls, witness=("get", {"id": id_}))
    what = f"{probe.entity}.get after fifty concurrent updates from {_PROCESSES} processes"
    expect_all_fields(before, await probe.get(id_), what)


@theme.case("promise", LISTED, "set", "listBySession", needs_reopen=True)
async def inserts_from_processes_are_listed(probe: Probe) -> None:
    """Of fifty records that several processes insert into one session at once, each is listed, once."""
    ids = [fresh_id() for _ in range(FIFTY)]
    calls = [{"id": id_, "value": probe.record(id_)} for id_ in ids]
    before = fresh_id("session-")
    await probe.add(fresh_id(), before)
    await _run(probe, "set", calls, witness=("listBySession", {"session_id": before}))
    await expect_same_order(probe, ids, f"fifty concurrent inserts from {_PROCESSES} processes")


async def _run(
    probe: Probe, verb: str, calls: list[dict[str, Any]], *, witness: tuple[str, dict[str, Any]]
) -> None:
    """Make the calls from several processes at once, if each of them finds something by the witness's read."""
    reopen = probe.subject.reopen
    if reopen is None:
        raise NotApplicableError("it was not said how another process opens the same store (reopen)")
    context = current_context()
    stores = [Store(f"{probe.entity}.{verb}", params, context) for params in calls]
    shares = [stores[start::_PROCESSES] for start in range(_PROCESSES)]
    read, params = witness
    raised = await run_elsewhere(reopen, shares, Store(f"{probe.entity}.{read}", params, context))
    if raised:
        raise ExpectationError(
            f"{probe.entity}.{verb} in another process: expected every call to return, "
            f"but {len(raised)} of {len(calls)} raised, the first {raised[0]}"
        )
