"""A client process: several tenants write and read through one router, and try to reach each other's records."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from storescope import BackendError, ResidencyError, call_context
from tests.faults.plan import Plan
from tests.faults.traffic import Traffic
from tests.region.servers.logbook import Logbook, SpokenLedger, run_and_report
from tests.region.servers.places import ALLOWED, SHARED, Places, opened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from storescope import Handler, Handlers, StorageError

_WRITERS = 2  # of each tenant
_LIMIT = 60.0  # seconds: registry, stores and other processes are all waited for
_NOTHING = object()
_DENIALS = {"pins_unreachable", "session_region_mismatch"}


class RoutedTraffic(Traffic):
    """Traffic of one tenant, through a router."""

    expected: ClassVar[tuple[type[StorageError], ...]] = (BackendError, ResidencyError)

    def __init__(self, handlers: Mapping[str, Handler], tenant: str, number: int, book: Logbook) -> None:
        plans = [
            Plan(
                number * _WRITERS + writer, 4711, size=50, owner=f"{tenant}-", sessions=SHARED[tenant], roams=0.03
            )
            for writer in range(_WRITERS)
        ]
        super().__init__(handlers, limit=_LIMIT, late=True, plans=plans, ledger=SpokenLedger(book))
        self._owner = f"{tenant}-"
        self._book = book

    async def _call(self, operation: str, **params: Any) -> Any:
        result = await super()._call(operation, **params)
        for record in result if isinstance(result, list) else [result] if result else []:
            assert record["id"].startswith(self._owner), f"{operation} returned another tenant's record"
            assert "$residency" not in record
        return result

    def _check(self, error: StorageError) -> None:
        """Of one's own records, nothing is denied but while the registry is away, and between regions."""
        code = error.decision.code if isinstance(error, ResidencyError) else type(error).__name__
        assert not isinstance(error, ResidencyError) or code in _DENIALS, f"{code}: {error}"
        self._book.say("felt", code)


def foreign_calls(tenant: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a call of every operation on the records that were there before this tenant's processes began."""
    session, own = SHARED[tenant][0], {"text": "stolen"}
    in_session = {**own, "sessionId": session}
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"{entity}.listBySession", {"session_id": session}) for entity in ("message", "part")
    ]
    for entity in ("session", "message", "part", "sandbox", "setup"):
        id_ = session if entity == "session" else f"{tenant}-first-{entity}"
        value = in_session if entity in {"message", "part"} else own
        calls += [(f"{entity}.get", {"id": id_}), (f"{entity}.set", {"id": id_, "value": value})]
        calls += [(f"{entity}.update", {"id": id_, "updates": own})] if entity not in {"part", "setup"} else []
    return calls


async def probe(handlers: Handlers, tenant: str, book: Logbook) -> None:
    """Call as a tenant for what is others', and for what nobody wrote, again and again."""
    random = Random(tenant)
    foreign = [call for other in ALLOWED if other != tenant for call in foreign_calls(other)]
    with call_context(tenant=tenant):
        while True:
            operation, params = random.choice(foreign)
            result = await _ask(handlers, operation, params, book)
            assert result is _NOTHING, f"{tenant} called {operation} for {params}, and got {result}"
            result = await _ask(handlers, "message.get", {"id": f"{tenant}-nobody"}, book)
            assert result is None or result is _NOTHING, f"{tenant} asked for what nobody wrote, and got {result}"
            await asyncio.sleep(0.1)


async def _ask(handlers: Handlers, operation: str, params: dict[str, Any], book: Logbook) -> Any:
    """Return what a call returns; `_NOTHING` if it failed or was denied."""
    try:
        return await handlers[operation](**params)
    except ResidencyError as error:
        book.say("denied", operation, error.decision.code)
    except BackendError as error:
        book.say("felt", type(error).__name__)
    return _NOTHING


async def _work(book: Logbook, places: Places, number: int) -> None:
    async with opened(places) as here, AsyncExitStack() as stack:
        handlers = here.routed()
        traffics = [RoutedTraffic(handlers, tenant, number, book) for tenant in ALLOWED]
        for tenant, traffic in zip(ALLOWED, traffics, strict=True):
            with call_context(tenant=tenant):
                await stack.enter_async_context(traffic)
        async with asyncio.TaskGroup() as group:
            for tenant, traffic in zip(ALLOWED, traffics, strict=True):
                group.create_task(traffic.go_on())
                group.create_task(probe(handlers, tenant, book))


def run(path: Path, places: Places, number: int) -> None:
    """Run until killed."""
    run_and_report(path, partial(_work, places=places, number=number))
