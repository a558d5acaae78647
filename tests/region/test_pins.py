"""Pins hold sessions where and whose they are, whichever process asks, on every store of a registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import InvalidRecordError, ResidencyError, WrapError, call_context, wrap
from storescope.backends import open_backend
from storescope.errors import PolicyError
from storescope.middleware import PinRegistry, ResidencyPolicy, metrics, region_guard, route_by_region
from tests.region.policies import EU, US

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from storescope import Handlers
    from storescope.backends import Backend

POLICY = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {"eu": [EU], "us": [US]},
        "tenants": {"acme": "europe", "globex": "anywhere", "initech": "anywhere"},
        "rules": {
            "europe": {"store": ["eu"], "access": ["eu"], "home": EU},
            "anywhere": {"store": ["eu", "us"], "access": ["eu"], "home": US},
        },
    }
)


@pytest.fixture(params=["memory", "local", "redis", "postgres"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """The URL of an empty registry, on each kind of store in turn."""
    if request.param in {"redis", "postgres"}:
        url: str = request.getfixturevalue(f"{request.param}_url")
        return url
    return {"memory": "memory:", "local": f"local:{tmp_path / 'pins'}"}[request.param]


@pytest.fixture
async def pins(registry_url: str) -> AsyncGenerator[PinRegistry]:
    """A registry."""
    async with await PinRegistry.open(registry_url, lease_seconds=2, settle_seconds=1) as registry:
        yield registry


@pytest.fixture
async def stores() -> AsyncGenerator[dict[str, Backend]]:
    """Two empty stores, of two regions."""
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        yield {EU: eu, US: us}


@pytest.fixture
def routed(stores: dict[str, Backend], pins: PinRegistry) -> Handlers:
    """Both of them behind one router."""
    return route_by_region(stores, POLICY, pins=pins, caller_region=EU)


async def rows_in(store: Backend, entity: str) -> set[str]:
    """Return the ids of what lies in a store."""
    return {row.id for row in (await store.admin.scan(entity)).records}


async def code_of(call: Awaitable[Any]) -> str:
    """Return the code of the denial that a call ends in."""
    with pytest.raises(ResidencyError) as denied:
        await call
    assert denied.value.decision is not None
    return denied.value.decision.code


async def test_new_sessions_are_placed_at_their_tenants_home(routed: Handlers, stores: dict[str, Backend]) -> None:
    for tenant, session in (("acme", "s1"), ("globex", "s2")):
        with call_context(tenant=tenant):
            await routed["session.set"](id=session, value={})
            await routed["message.set"](id=f"m-{session}", value={"sessionId": session})
            await routed["part.set"](id=f"p-{session}", value={"sessionId": session, "messageId": f"m-{session}"})
            await routed["sandbox.set"](id=f"b-{session}", value={})
            await routed["setup.set"](id=f"u-{session}", value={})
    for region, session in ((EU, "s1"), (US, "s2")):
        assert await rows_in(stores[region], "session") == {session}
        for entity, letter in (("message", "m"), ("part", "p"), ("sandbox", "b"), ("setup", "u")):
            assert await rows_in(stores[region], entity) == {f"{letter}-{session}"}


async def test_what_has_only_an_id_is_found_where_it_is(routed: Handlers) -> None:
    with call_context(tenant="globex"):
        await routed["session.set"](id="s", value={})
        await routed["message.set"](id="m", value={"sessionId": "s"})
        await routed["part.set"](id="p", value={"sessionId": "s", "messageId": "m"})
        assert await routed["message.update"](id="m", updates={"a": 1}) == {"sessionId": "s", "a": 1}
        assert await routed["message.get"](id="m") == {"sessionId": "s", "a": 1}
        assert await routed["part.get"](id="p") == {"sessionId": "s", "messageId": "m"}
        assert await routed["message.get"](id="nobody's") is None


async def test_another_tenant_is_denied_whatever_it_may_otherwise(routed: Handlers) -> None:
    with call_context(tenant="globex"):
        await routed["session.set"](id="s", value={})
        await routed["message.set"](id="m", value={"sessionId": "s"})
    for tenant in ("initech", "acme"):
        with call_context(tenant=tenant):
            for name, params in (
                ("session.get", {"id": "s"}),
                ("session.set", {"id": "s", "value": {}}),
                ("message.get", {"id": "m"}),
                ("message.set", {"id": "m", "value": {"sessionId": "of another"}}),
                ("message.update", {"id": "m", "updates": {}}),
                ("message.listBySession", {"session_id": "s"}),
                ("part.set", {"id": "p", "value": {"sessionId": "s", "messageId": "m"}}),
            ):
                assert await code_of(routed[name](**params)) == "tenant_mismatch", name


async def test_a_message_goes_to_another_session_of_its_region(routed: Handlers) -> None:
    with call_context(tenant="globex"):
        await routed["message.set"](id="m", value={"sessionId": "s1"})
        await routed["message.set"](id="m", value={"sessionId": "s2"})
        assert await routed["message.listBySession"](session_id="s1") == []
        await routed["message.update"](id="m", updates={"sessionId": "s3"})
        assert await routed["message.listBySession"](session_id="s3") == [{"sessionId": "s3"}]
        assert await routed["message.get"](id="m") == {"sessionId": "s3"}
        await routed["session.set"](id="s1", value={"still": "usable"})


async def test_a_message_that_many_move_at_once_ends_in_one_session(routed: Handlers) -> None:
    """They come one after the other, each when the one before has let go; none is told to try again."""
    sessions = [f"s{number}" for number in range(6)]
    with call_context(tenant="globex"):
        await routed["message.set"](id="m", value={"sessionId": "s0"})
        await asyncio.gather(
            *(routed["message.set"](id="m", value={"sessionId": session}) for session in sessions)
        )
        await asyncio.gather(
            *(routed["message.update"](id="m", updates={"sessionId": session}) for session in sessions)
        )
        lists = [await routed["message.listBySession"](session_id=session) for session in sessions]
        assert [row for rows in lists for row in rows] == [await routed["message.get"](id="m")]


@pytest.mark.parametrize("wrong", ["\ud800", "with a \0", "x" * 257], ids=["surrogate", "NUL", "too long"])
async def test_what_no_registry_can_hold_is_refused_before_it_is_asked(
    stores: dict[str, Backend], wrong: str
) -> None:
    async with await PinRegistry.open("memory:") as pins:
        routed = route_by_region(stores, POLICY, pins=pins, caller_region=EU)
        with call_context(tenant="globex"):
            await routed["message.set"](id="m", value={"sessionId": "s"})
            before = await pins.engine.list("pins/")
            for name, params in (
                ("session.get", {"id": wrong}),
                ("sandbox.set", {"id": wrong, "value": {}}),
                ("message.get", {"id": wrong}),
                ("message.set", {"id": wrong, "value": {"sessionId": "s"}}),
                ("message.set", {"id": "n", "value": {"sessionId": wrong}}),
                ("message.update", {"id": "m", "updates": {"sessionId": wrong}}),
                ("part.listBySession", {"session_id": wrong}),
            ):
                with pytest.raises(InvalidRecordError):
                    await routed[name](**params)
        assert (await pins.engine.list("pins/")).keys == before.keys


async def test_two_processes_that_write_a_session_first_agree_where_it_is(
    stores: dict[str, Backend], registry_url: str, pins: PinRegistry
) -> None:
    if registry_url == "memory:":
        other = pins  # it has one process
    else:
        other = await PinRegistry.open(registry_url, lease_seconds=2, settle_seconds=1)
    maps = [
        wrap(store, region_guard(POLICY, caller_region=EU, pins=registry))
        for store, registry in zip(stores.values(), (pins, other), strict=True)
    ]
    with call_context(tenant="globex"):
        await maps[0]["session.set"](id="s", value={"who": "first"})
        assert await code_of(maps[1]["session.set"](id="s", value={})) == "pin_region_mismatch"
        assert await code_of(maps[1]["session.get"](id="s")) == "pin_region_mismatch"
        assert await maps[0]["session.get"](id="s") == {"who": "first"}
    if other is not pins:
        await other.aclose()


async def test_a_router_that_would_hide_what_it_refuses_is_refused(stores: dict[str, Backend]) -> None:
    async with await PinRegistry.open("memory:") as pins:
        guarded = wrap(stores[EU], region_guard(POLICY))
        with pytest.raises(WrapError, match="guarded already"):
            route_by_region({EU: guarded}, POLICY, pins=pins)
        with pytest.raises(WrapError, match="twice"):
            wrap(route_by_region(stores, POLICY, pins=pins), region_guard(POLICY))
        with pytest.raises(PolicyError, match="says that it is in"):
            route_by_region({US: stores[EU]}, POLICY, pins=pins)
        with pytest.raises(PolicyError, match="nothing is known"):
            route_by_region({EU: dict.fromkeys(["session.get"], print)}, POLICY, pins=pins)
        with pytest.raises(WrapError, match="at least one"):
            route_by_region({}, POLICY, pins=pins)
        wrap(route_by_region(stores, POLICY, pins=pins), metrics(region=EU))
    with pytest.raises(PolicyError, match=r"PinRegistry\.open"):
        route_by_region(stores, POLICY, pins=None)  # type: ignore[arg-type] # what a caller in a hurry gives
