"""A registry that was emptied or replaced is noticed: nothing that is missing in it counts as never pinned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from storescope import ResidencyError, call_context
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, route_by_region
from storescope.middleware._region._pins._identity import RegistryLostError
from storescope.middleware._region._pins._pin import IDENTITY, PINS, Pin, PinKey
from tests.region.policies import EU, US
from tests.region.registries import Hand, Shared, registry_on
from tests.region.test_pins import POLICY, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from storescope import Handlers


class Process:
    """A router on a registry that others share, whose leases end when the test says so."""

    def __init__(self, engine: Shared, stores: dict[str, Any]) -> None:
        self.clock = Hand()
        self.pins = registry_on(engine, self.clock)
        self.handlers: Handlers = route_by_region(stores, POLICY, pins=self.pins, caller_region=EU)

    def lose_leases(self) -> None:
        self.clock.now += 2000.0


@pytest.fixture
async def engine() -> Shared:
    return Shared()


@pytest.fixture
async def process(engine: Shared) -> AsyncGenerator[Process]:
    """A process that has written one session of globex, whose home is in the US."""
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        made = Process(engine, {EU: eu, US: us})
        with call_context(tenant="globex"):
            await made.handlers["session.set"](id="s", value={})
            await made.handlers["message.set"](id="m", value={"sessionId": "s"})
        yield made
        await made.pins.aclose()


async def test_an_emptied_registry_pins_nothing_and_finds_nothing_missing(
    process: Process, engine: Shared
) -> None:
    engine.empty()
    with call_context(tenant="globex"):
        for name, params in (
            ("session.get", {"id": "new"}),
            ("session.set", {"id": "new", "value": {}}),
            ("message.get", {"id": "new"}),
            ("message.update", {"id": "new", "updates": {}}),
            ("message.listBySession", {"session_id": "new"}),
        ):
            assert await code_of(process.handlers[name](**params)) == "pins_lost", name
        process.lose_leases()
        for name, params in (("session.get", {"id": "s"}), ("session.set", {"id": "s", "value": {}})):
            with pytest.raises(ResidencyError) as denied:
                await process.handlers[name](**params)
            assert (denied.value.decision.code, denied.value.retryable) == ("pins_lost", False)
    assert (await engine.list(PINS)).keys == []


async def test_a_registry_that_another_one_took_the_place_of_is_not_believed(
    process: Process, engine: Shared
) -> None:
    """Somebody began it anew, and pinned the session elsewhere; who knew the old one does not follow."""
    engine.empty()
    other = registry_on(engine, Hand())
    await other.identity.learn(create=True)
    await engine.put(PinKey("session", "s").pin, Pin(EU, "globex").to_bytes())
    process.lose_leases()
    with call_context(tenant="globex"):
        assert await code_of(process.handlers["session.get"](id="s")) == "pins_lost"


async def test_a_registry_that_is_emptied_right_before_a_pin_is_written(process: Process, engine: Shared) -> None:
    """The pin is found to stand in an empty registry, and is taken away again."""

    def lose(what: str, key: str) -> None:
        if what == "put" and key.startswith(PINS):
            engine.empty()

    engine.before = lose
    with call_context(tenant="globex"):
        assert await code_of(process.handlers["session.set"](id="new", value={})) == "pins_lost"
    assert (await engine.list(PINS)).keys == []


async def test_a_running_process_notices_by_itself() -> None:
    """Its record is gone at the next renewal: the leases that it holds end, and it takes no others."""
    engine = Shared()
    pins = registry_on(engine, Hand(), lease=0.2)
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        handlers = route_by_region({EU: eu, US: us}, POLICY, pins=pins, caller_region=EU)
        with call_context(tenant="globex"):
            await handlers["session.set"](id="s", value={})
            engine.empty()
            async with asyncio.timeout(30):
                while pins.leases.good(PinKey("session", "s")) is not None:  # noqa: ASYNC110 (nobody tells)
                    await asyncio.sleep(0.01)
            assert await code_of(handlers["session.get"](id="s")) == "pins_lost"
        await pins.aclose()


async def test_who_expects_a_registry_is_told_that_there_is_none(tmp_path: Path) -> None:
    url = f"local:{tmp_path}"
    with pytest.raises(RegistryLostError, match="create=True"):
        await PinRegistry.open(url, create=False)
    async with await PinRegistry.open(url) as pins:
        await pins.engine.put(PinKey("session", "s").pin, Pin(EU, "acme").to_bytes())
    async with await PinRegistry.open(url, create=False) as pins:
        await pins.engine.delete(IDENTITY)
    for create in (True, False):
        with pytest.raises(RegistryLostError, match="scan"):
            await PinRegistry.open(url, create=create)


async def test_holders_that_are_gone_do_not_pile_up_in_a_pin() -> None:
    """Processes that die take no name off; whoever takes a lease looks at some of them, until they are few."""
    engine, clock, key = Shared(), Hand(), PinKey("session", "s")
    ghosts = tuple(f"ghost {number}" for number in range(40))
    pins = registry_on(engine, clock)
    await pins.identity.learn(create=True)

    async def holders() -> int:
        entry = await engine.get(key.pin)
        assert entry is not None
        return len(Pin.from_bytes(entry.value).holders)

    async def keep(pin: Pin | None) -> Pin | None:
        return pin

    async def leave_alone(key: PinKey, pin: Pin) -> None:
        raise AssertionError((key, pin))

    await engine.put(key.pin, Pin(EU, "acme", holders=ghosts).to_bytes())
    for _ in range(40):
        assert await pins.leases.take(key, keep, leave_alone) is not None
        await pins.leases.give_back(key)
        clock.now += 600.0
    assert await holders() <= 8
    await pins.aclose()
