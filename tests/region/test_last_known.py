"""While the registry does not answer, reads go by the last pin, where a policy says so; no guess is returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storescope import ResidencyError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import ResidencyPolicy, route_by_region
from tests.region.policies import EU, US, sound
from tests.region.registries import Hand, Shared, registry_on

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope import Call, Handlers, Operation, Step
    from storescope.backends import Backend


class Source:
    """The policy in force."""

    def __init__(self, what: str) -> None:
        self.put_in_force(what, "eu-only")

    def put_in_force(self, what: str, rule: str) -> None:
        """Decide by another policy from now on: what becomes of reads, and which rule acme has."""
        policy = sound(pins_unreachable=what, tenants={"acme": rule, "globex": rule})
        del policy["rules"]["us-data"]["telemetry"]
        self.current = ResidencyPolicy.from_dict(policy)


class Cut:
    """A process that has written a session, and then was cut off from the registry until its leases ended."""

    def __init__(self, stores: dict[str, Backend], what: str) -> None:
        self.stores = stores
        self.source = Source(what)
        self.codes: list[str] = []
        self._engine, self._clock = Shared(), Hand()
        self._pins = registry_on(self._engine, self._clock)
        routed = route_by_region(stores, self.source, pins=self._pins, caller_region=EU)
        self.handlers: Handlers = wrap(routed, self._watch)

    async def begin(self) -> None:
        with call_context(tenant="acme"):
            await self.handlers["session.set"](id="s", value={})
            await self.handlers["message.set"](id="m", value={"sessionId": "s"})
            await self.handlers["sandbox.set"](id="b", value={})
        self._engine.is_cut_off = True
        self._clock.now += 2000.0

    async def get(self, name: str, tenant: str = "acme", **params: Any) -> Any:
        with call_context(tenant=tenant):
            return await self.handlers[name](**params)

    async def code_of(self, name: str, tenant: str = "acme", **params: Any) -> str:
        with pytest.raises(ResidencyError) as denied:
            await self.get(name, tenant, **params)
        assert denied.value.retryable == (denied.value.decision.code == "pins_unreachable")
        return denied.value.decision.code

    async def aclose(self) -> None:
        self._engine.is_cut_off = False
        await self._pins.aclose()

    def _watch(self, next_step: Step, operation: Operation, backend: Any) -> Step:
        async def step(call: Call) -> Any:
            try:
                return await next_step(call)
            finally:
                assert call.decision is not None
                self.codes.append(call.decision.code)

        return step


@pytest.fixture(params=["read_pinned"])
async def cut(request: pytest.FixtureRequest) -> AsyncGenerator[Cut]:
    """The process, under the policy that the test names."""
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        made = Cut({EU: eu, US: us}, request.param)
        await made.begin()
        yield made
        await made.aclose()


async def test_reads_go_where_the_pin_was_and_say_so(cut: Cut) -> None:
    cut.codes.clear()
    assert await cut.get("session.get", id="s") == {}
    assert await cut.get("message.get", id="m") == {"sessionId": "s"}
    assert await cut.get("message.listBySession", session_id="s") == [{"sessionId": "s"}]
    assert await cut.get("sandbox.get", id="b") == {}
    assert cut.codes == ["pin_last_known"] * 4


@pytest.mark.parametrize("cut", ["deny"], indirect=True)
async def test_a_policy_that_says_nothing_of_it_denies_them(cut: Cut) -> None:
    assert await cut.code_of("session.get", id="s") == "pins_unreachable"
    assert await cut.code_of("message.listBySession", session_id="s") == "pins_unreachable"


async def test_writes_are_denied_and_so_is_what_is_not_known(cut: Cut) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("session.set", {"id": "s", "value": {}}),
        ("session.update", {"id": "s", "updates": {}}),
        ("message.update", {"id": "m", "updates": {}}),
        ("session.get", {"id": "never seen here"}),
        ("message.get", {"id": "never seen here"}),
    ]
    for name, params in calls:
        assert await cut.code_of(name, **params) == "pins_unreachable", name


async def test_another_tenant_is_denied(cut: Cut) -> None:
    assert await cut.code_of("session.get", "globex", id="s") == "tenant_mismatch"


async def test_what_is_not_found_may_have_been_moved(cut: Cut) -> None:
    """A move purges the session's own record first: what is listed without it is perhaps not all."""
    await cut.stores[EU].admin.purge("session", "s")
    assert await cut.code_of("session.get", id="s") == "pins_unreachable"
    assert await cut.code_of("message.listBySession", session_id="s") == "pins_unreachable"
    assert await cut.get("message.get", id="m") == {"sessionId": "s"}
    await cut.stores[EU].admin.purge("message", "m")
    assert await cut.code_of("message.get", id="m") == "pins_unreachable"


async def test_the_policy_in_force_decides_where_the_pin_may_lead(cut: Cut) -> None:
    cut.source.put_in_force("read_pinned", "us-data")
    assert await cut.code_of("session.get", id="s") == "backend_region_forbidden"
