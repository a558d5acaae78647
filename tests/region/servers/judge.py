"""Judges a run once all its processes are gone, from the stores and the registry as they lie there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from storescope import OPERATIONS, call_context
from storescope.middleware._region._pins._pin import Pin, PinKey
from tests.faults.audit import audit
from tests.faults.ledger import Ledger
from tests.faults.patience import patiently
from tests.region.servers.mover import move_session, pinned_sessions, unfinished
from tests.region.servers.places import ALLOWED, Opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.backends import Backend

    Rows = dict[tuple[str, str], dict[str, Any]]

_ENTITIES = sorted({operation.entity for operation in OPERATIONS.values()})
_IN_SESSION = ("message", "part")


async def judge(here: Opened, ledger: Ledger) -> None:
    """Finish what was broken off, read everything as the tenants do, then look at the stores.

    Raises:
        AssertionError: With all that is wrong.
    """
    handlers = {name: partial(_answered, handler) for name, handler in here.routed().items()}
    async with asyncio.TaskGroup() as group:  # each waits until processes that are gone are known to be
        for session in await pinned_sessions(here):
            group.create_task(_finish_move(here, session))
        for tenant in ALLOWED:
            with call_context(tenant=tenant):
                group.create_task(audit(handlers, _of(tenant, ledger)))
    rows = {region: await _rows_in(store) for region, store in here.stores.items()}
    problems = [f"{key} lies in both regions" for key in set.intersection(*map(set, rows.values()))]
    for region, found in rows.items():
        problems += [text for key, row in found.items() for text in await _faults(here, region, key, row)]
    assert not problems, "\n".join(problems[:20])
    await audit(_as_it_lies(here, rows), ledger)


async def _finish_move(here: Opened, session: str) -> None:
    """Make the move again that was broken off, if there is one."""
    to = await unfinished(here, session)
    if to is not None:
        await patiently(partial(move_session, here, session, to))


async def _answered(handler: Callable[..., Awaitable[Any]], **params: Any) -> Any:
    """Return what a call returns, once what was left by processes that are gone is out of its way."""
    return await patiently(partial(handler, **params))


def _of(tenant: str, ledger: Ledger) -> Ledger:
    own = Ledger()
    own.histories = {key: each for key, each in ledger.histories.items() if each.id.startswith(f"{tenant}-")}
    return own


async def _rows_in(store: Backend) -> Rows:
    rows: Rows = {}
    for entity in _ENTITIES:
        cursor: str | None = None
        while True:
            page = await store.admin.scan(entity, cursor, limit=1000)
            rows |= {(entity, row.id): row.record for row in page.records}
            cursor = page.cursor
            if cursor is None:
                break
    return rows


async def _faults(here: Opened, region: str, key: tuple[str, str], row: dict[str, Any]) -> list[str]:
    """Return what is wrong with where a record lies."""
    entity, id_ = key
    tenant = id_.partition("-")[0]
    pinned = PinKey("session", row["sessionId"]) if entity in _IN_SESSION else PinKey(entity, id_)
    entry = await here.pins.engine.get(pinned.pin)
    pin = Pin.from_bytes(entry.value) if entry else None
    label = row["$residency"]
    holds = {
        f"{key} lies in {region}, where its tenant may not be": region in ALLOWED[tenant],
        f"{key} has the label {label}": (label["tenant"], label["region"]) == (tenant, region),
        f"{key} lies in {region}, its pin is {pin}": pin is not None
        and (pin.region, pin.tenant, pin.fence) == (region, tenant, None),
    }
    return [text for text, right in holds.items() if not right]


def _as_it_lies(here: Opened, rows: dict[str, Rows]) -> dict[str, Any]:
    """Return handlers that look past the router: a record is where it is, a list is those of both regions."""

    def get(entity: str) -> Any:
        async def handler(*, id: str) -> Any:
            found = [each[entity, id] for each in rows.values() if (entity, id) in each]
            return _bare(found[0]) if found else None

        return handler

    def list_by_session(entity: str) -> Any:
        async def handler(*, session_id: str) -> Any:
            lists = [
                await store[f"{entity}.listBySession"](session_id=session_id) for store in here.stores.values()
            ]
            return [_bare(row) for each in lists for row in each]

        return handler

    return {f"{entity}.get": get(entity) for entity in _ENTITIES} | {
        f"{entity}.listBySession": list_by_session(entity) for entity in _IN_SESSION
    }


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "$residency"}
