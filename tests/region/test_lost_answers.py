"""Answers of the registry that are lost while a fence is put up: nobody is shut out while a process lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, call_context
from storescope.backends import open_backend
from storescope.backends._memory import MemoryTable
from storescope.middleware import PinRegistry, ResidencyPolicy, move_session, route_by_region
from storescope.middleware._region._pinned import PinnedMap
from storescope.middleware._region._pins._pin import PinKey
from tests.region.policies import EU, US

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers
    from storescope.backends import Backend
    from storescope.middleware._region._pins._lease import Lease

POLICY = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {"eu": [EU], "us": [US]},
        "tenants": {"acme": "anywhere"},
        "rules": {"anywhere": {"store": ["eu", "us"], "access": ["eu"], "home": EU}},
    }
)
SETTLE = 0.3


@pytest.fixture
async def pins() -> AsyncGenerator[PinRegistry]:
    async with await PinRegistry.open(
        "memory:", lease_seconds=1, settle_seconds=SETTLE, wait_seconds=2
    ) as registry:
        yield registry


@pytest.fixture
async def stores() -> AsyncGenerator[dict[str, Backend]]:
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        yield {EU: eu, US: us}


@pytest.fixture
async def routed(stores: dict[str, Backend], pins: PinRegistry) -> AsyncGenerator[Handlers]:
    handlers = route_by_region(stores, POLICY, pins=pins, caller_region=EU)
    with call_context(tenant="acme"):
        for session in ("s1", "s2"):
            await handlers["session.set"](id=session, value={})
        await handlers["message.set"](id="m", value={"sessionId": "s1"})
        yield handlers


@pytest.mark.parametrize("applied", ["before", "after", "never"])
async def test_a_fence_of_which_nobody_heard_does_not_stand(
    applied: str, routed: Handlers, pins: PinRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request came through and the answer did not, the request came late, or it never came."""
    real, late = pins.fences.put_up, set[asyncio.Task[Any]]()

    async def lost(*arguments: Any) -> Any:
        monkeypatch.undo()
        if applied == "before":
            await real(*arguments)
        if applied == "after":
            late.add(asyncio.create_task(_soon(real, *arguments)))
        raise BackendError("no answer", retryable=True, maybe_applied=True)

    monkeypatch.setattr(pins.fences, "put_up", lost)
    with pytest.raises(Exception, match=r"pins_unreachable|no answer|does not answer"):
        await routed["message.set"](id="m", value={"sessionId": "s2"})
    await asyncio.gather(*late)
    await routed["message.set"](id="n", value={"sessionId": "s1"})
    await routed["message.set"](id="m", value={"sessionId": "s2"})
    assert await routed["message.get"](id="m") == {"sessionId": "s2"}
    assert await routed["message.listBySession"](session_id="s1") == [{"sessionId": "s1"}]


async def _soon(put_up: Any, *arguments: Any) -> None:
    await asyncio.sleep(0.1)
    await put_up(*arguments)


async def test_a_process_finishes_the_move_that_it_broke_off_itself(
    routed: Handlers,
    pins: PinRegistry,
    stores: dict[str, Backend],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = pins.fences.drain

    async def lost(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        await real(*arguments, **options)
        raise BackendError("no answer", retryable=True)

    async def move() -> Any:
        return await move_session("s1", to=US, backends=stores, policy=POLICY, pins=pins, proof=tmp_path)

    monkeypatch.setattr(pins.fences, "drain", lost)
    with pytest.raises(BackendError, match="no answer"):
        await move()
    async with asyncio.timeout(20):
        assert (await move()).moved.target == US
    assert await routed["message.get"](id="m") == {"sessionId": "s1"}


async def test_two_tasks_of_one_process_do_not_move_one_session(
    routed: Handlers, pins: PinRegistry, stores: dict[str, Backend], tmp_path: Path
) -> None:
    del routed
    moves = [
        move_session("s1", to=US, backends=stores, policy=POLICY, pins=pins, proof=tmp_path / str(number))
        for number in range(2)
    ]
    first, second = await asyncio.gather(*moves, return_exceptions=True)
    assert [isinstance(each, BackendError) for each in (first, second)].count(True) == 1


async def test_a_lease_that_was_asked_back_meanwhile_is_taken_anew(
    routed: Handlers,
    pins: PinRegistry,
    stores: dict[str, Backend],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a message that goes to another region is looked for here, a mover asks for its new session."""
    await move_session("s2", to=US, backends=stores, policy=POLICY, pins=pins, proof=tmp_path)
    await pins.claims.claim(PinKey("message", "n"), "s1")  # by whoever never wrote it
    looked, begun_under = PinnedMap._lies, PinnedMap._under
    looks: list[bool] = []

    async def lies(self: PinnedMap, *arguments: Any) -> bool:
        if not looks:
            await pins.leases.give_back(PinKey("session", "s2"))
        looks.append(await looked(self, *arguments))
        return looks[-1]

    async def under(self: PinnedMap, lease: Lease, *arguments: Any, **options: Any) -> Any:
        assert lease.is_good
        return await begun_under(self, lease, *arguments, **options)

    monkeypatch.setattr(PinnedMap, "_lies", lies)
    monkeypatch.setattr(PinnedMap, "_under", under)
    await routed["message.set"](id="n", value={"sessionId": "s2"})
    assert looks == [False]  # what lies nowhere has gone to the new session by then
    assert await routed["message.listBySession"](session_id="s2") == [{"sessionId": "s2"}]


@pytest.mark.parametrize(
    "error",
    [
        BackendError("no reply", retryable=True, maybe_applied=True),
        asyncio.CancelledError(),
        RuntimeError("of the team's own handler"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_write_of_which_no_answer_came_keeps_its_lease_while_it_may_arrive(
    error: BaseException, routed: Handlers, pins: PinRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the session could be moved meanwhile, and the write arrive where nobody looks any more."""

    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(MemoryTable, "set", fail)
    lease = pins.leases.good(PinKey("session", "s1"))
    assert lease is not None
    assert lease.is_idle
    with pytest.raises(type(error)):
        await routed["session.set"](id="s1", value={})
    assert not lease.is_idle
    await pins.leases.give_back(lease.key)
    assert lease.is_idle


async def test_a_write_that_was_refused_keeps_no_lease(
    routed: Handlers, pins: PinRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise BackendError("no connection", retryable=True)

    monkeypatch.setattr(MemoryTable, "set", refuse)
    with pytest.raises(BackendError):
        await routed["session.set"](id="s1", value={})
    lease = pins.leases.good(PinKey("session", "s1"))
    assert lease is not None
    assert lease.is_idle
