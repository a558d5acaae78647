"""The registry held against the stores: what does not fit is found, what is lost rebuilt, what is split is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, ResidencyError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, ResidencyPolicy, route_by_region
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._labels import FIELD, Labels
from storescope.middleware._region._moving._move import Mover, MoveRefusedError
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pin_scan import PinScan
from storescope.middleware._region._pins._pin import CLAIMS, PINS, Fence, Pin, PinKey
from storescope.middleware._region._scan import Scan
from storescope.middleware._region._scan_report import ScanReport
from tests.region.policies import EU, US
from tests.region.registries import Hand, Shared, registry_on
from tests.region.test_pins import POLICY, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from storescope import Handlers
    from storescope.backends import Backend


@pytest.fixture
async def stores() -> AsyncGenerator[dict[str, Backend]]:
    """Two stores, of two regions, into which a router has written a session of each of two tenants."""
    async with open_backend("memory:", region=EU) as eu, open_backend("memory:", region=US) as us:
        yield {EU: eu, US: us}


@pytest.fixture
async def engine(stores: dict[str, Backend]) -> Shared:
    """The registry that it wrote to."""
    engine = Shared()
    pins = registry_on(engine, Hand())
    routed = route_by_region(stores, POLICY, pins=pins, caller_region=EU)
    for tenant in ("acme", "globex"):
        with call_context(tenant=tenant):
            for entity in ("session", "sandbox", "setup"):
                await routed[f"{entity}.set"](id=tenant, value={})
            await routed["message.set"](id=f"m-{tenant}", value={"sessionId": tenant})
            await routed["part.set"](id=f"p-{tenant}", value={"sessionId": tenant, "messageId": f"m-{tenant}"})
    await pins.aclose()
    return engine


async def scan(
    stores: Mapping[str, Backend], engine: Shared, policy: ResidencyPolicy = POLICY, *, adopt: bool = False
) -> ScanReport:
    report = ScanReport()
    pins = PinScan(engine, report, adopt=adopt)
    for store in stores.values():
        job = Scan(policy, store.info, Labels(name_ids=True), None, adopt, 0.0, pins)
        await job.run(store.admin, report, lambda _: None)
    await pins.finish()
    return report


async def kept(engine: Shared) -> dict[str, Any]:
    """Return all pins, as far as they say where and whose, and all claims."""
    pins = {
        listed.key: Pin.from_bytes(await value(engine, listed.key)) for listed in (await engine.list(PINS)).keys
    }
    claims = {listed.key: await value(engine, listed.key) for listed in (await engine.list(CLAIMS)).keys}
    return {**{key: (pin.region, pin.tenant, pin.fence) for key, pin in pins.items()}, **claims}


async def value(engine: Shared, key: str) -> bytes:
    entry = await engine.get(key)
    assert entry is not None
    found: bytes = entry.value
    return found


def found(report: ScanReport) -> set[tuple[str, str, str, str | None]]:
    return {(each.code, each.entity, each.id, each.region) for each in report.violations}


async def again(stores: Mapping[str, Handlers], engine: Shared) -> tuple[PinRegistry, Handlers]:
    """Return a router that is started later."""
    pins = registry_on(engine, Hand())
    await pins.identity.learn(create=False)
    return pins, route_by_region(stores, POLICY, pins=pins, caller_region=EU)


async def copy_to(store: Backend, entity: str, id_: str, **label: str) -> None:
    """Put a record into a store under a label that looks right there."""
    fields = {"sessionId": label["session"]} if entity in {"message", "part"} else {}
    await store[f"{entity}.set"](
        id=id_, value={**fields, FIELD: {"region": store.info.region, "id": id_, **label}}
    )


async def test_what_a_router_wrote_fits(stores: dict[str, Backend], engine: Shared) -> None:
    report = await scan(stores, engine)
    assert (report.exit_code, report.violations, report.seen.total()) == (0, [], 10)


async def test_a_registry_that_was_lost_is_the_same_again(stores: dict[str, Backend], engine: Shared) -> None:
    before = await kept(engine)
    engine.empty()
    lost = await scan(stores, engine)
    assert lost.codes == {"pin_missing": 6, "claim_missing": 4, "pins_lost": 1}
    assert await kept(engine) == {}
    rebuilt = await scan(stores, engine, adopt=True)
    assert (rebuilt.exit_code, rebuilt.pinned, rebuilt.claimed) == (0, 6, 4)
    assert await kept(engine) == before
    repeated = await scan(stores, engine, adopt=True)
    assert (repeated.exit_code, repeated.pinned, repeated.claimed) == (0, 0, 0)
    pins, handlers = await again(stores, engine)
    with call_context(tenant="globex"):
        assert await handlers["message.get"](id="m-globex") == {"sessionId": "globex"}
        assert await code_of(handlers["session.get"](id="acme")) == "tenant_mismatch"
    await pins.aclose()


async def test_where_a_session_lies_counts_and_not_where_it_should(
    stores: dict[str, Backend], engine: Shared
) -> None:
    """The policy was tightened since: the session is pinned to where it is, so that it can be moved."""
    engine.empty()
    tightened = ResidencyPolicy.from_dict(
        {
            "schema": "residency/1",
            "version": "2",
            "mode": "enforce",
            "min_confidence": "declared",
            "regions": {"eu": [EU], "us": [US]},
            "tenants": {"acme": "europe", "globex": "europe"},
            "rules": {"europe": {"store": ["eu"], "access": ["eu"], "home": EU}},
        }
    )
    report = await scan(stores, engine, tightened, adopt=True)
    assert report.codes == {"backend_region_forbidden": 5}
    assert Pin.from_bytes(await value(engine, PinKey("session", "globex").pin)).region == US


@pytest.mark.parametrize(
    ("entity", "id_", "tenant"),
    [("message", "m-globex", "globex"), ("message", "another", "globex"), ("sandbox", "globex", "globex")],
)
async def test_what_lies_in_two_regions_is_fenced_off(
    entity: str, id_: str, tenant: str, stores: dict[str, Backend], engine: Shared
) -> None:
    label = {"tenant": tenant, "session": tenant} if entity == "message" else {"tenant": tenant}
    await copy_to(stores[EU], entity, id_, **label)
    engine.empty()
    report = await scan(stores, engine, adopt=True)
    pinned = "sandbox" if entity == "sandbox" else "session"
    both = {("session_split", pinned, "globex", region) for region in (EU, US)}
    assert (report.exit_code, found(report)) == (1, both)
    pins, handlers = await again(stores, engine)
    with call_context(tenant="globex"):
        for verb, params in (("get", {"id": "globex"}), ("set", {"id": "globex", "value": {}})):
            assert await code_of(handlers[f"{pinned}.{verb}"](**params)) == "session_split"
    with call_context(tenant="initech"):
        assert await code_of(handlers[f"{pinned}.get"](id="globex")) == "tenant_mismatch"
    await pins.aclose()


async def test_a_session_that_was_split_is_pinned_once_all_its_regions_were_seen_again(
    stores: dict[str, Backend], engine: Shared
) -> None:
    await copy_to(stores[EU], "message", "stray", tenant="globex", session="globex")
    engine.empty()
    await scan(stores, engine, adopt=True)
    pins, handlers = await again(stores, engine)
    mover = Mover(
        pins, FixedPolicy(POLICY), {each: Side(each, store) for each, store in stores.items()}, Labels(), print
    )
    with pytest.raises(MoveRefusedError, match="split"):
        await mover.move("globex", EU)
    await stores[EU].admin.purge("message", "stray")
    half = await scan({US: stores[US]}, engine, adopt=True)
    assert found(half) == {("session_split", "session", "globex", US)}
    assert (await scan(stores, engine)).codes == {"session_split": 1}
    whole = await scan(stores, engine, adopt=True)
    assert (whole.exit_code, whole.pinned) == (0, 1)
    with call_context(tenant="globex"):
        assert await handlers["session.get"](id="globex") == {}
    await pins.aclose()


async def test_records_under_two_tenants_are_split_too(stores: dict[str, Backend], engine: Shared) -> None:
    await copy_to(stores[US], "message", "taken", tenant="initech", session="globex")
    assert found(await scan(stores, engine)) == {
        ("tenant_mismatch", "session", "globex", US),
        ("claim_missing", "message", "taken", US),
    }
    engine.empty()
    assert ("session_split", "session", "globex", US) in found(await scan(stores, engine, adopt=True))


async def test_pins_that_are_there_are_never_written_over(stores: dict[str, Backend], engine: Shared) -> None:
    """A region after the other: what the second one holds of a session of the first is reported."""
    await copy_to(stores[US], "part", "stray", tenant="acme", session="acme")
    await copy_to(stores[US], "message", "m-globex", tenant="globex", session="other")
    before = await kept(engine)
    report = await scan({US: stores[US]}, engine, adopt=True)
    assert {
        ("pin_region_mismatch", "session", "acme", US),
        ("claim_mismatch", "message", "m-globex", US),
    } <= found(report)
    after = await kept(engine)
    assert {key: after[key] for key in before} == before


async def test_pins_of_nothing_are_named(stores: dict[str, Backend], engine: Shared) -> None:
    for entity in ("session", "message", "part", "sandbox"):
        await stores[EU].admin.purge(entity, {"message": "m-acme", "part": "p-acme"}.get(entity, "acme"))
    assert found(await scan({US: stores[US]}, engine)) == set()  # where the others would be was not looked at
    assert found(await scan(stores, engine)) == {
        ("pin_without_records", "session", "acme", EU),
        ("pin_without_records", "sandbox", "acme", EU),
    }


async def test_a_session_that_is_being_moved_may_lie_at_both_ends(
    stores: dict[str, Backend], engine: Shared
) -> None:
    await copy_to(stores[EU], "session", "globex", tenant="globex", session="globex")
    pin = Pin(US, "globex", fence=Fence("mover", "move", {"from": US, "to": EU}))
    await engine.put(PinKey("session", "globex").pin, pin.to_bytes())
    assert (await scan(stores, engine)).exit_code == 0


async def test_nothing_is_pinned_by_a_look_that_missed_something(
    stores: dict[str, Backend], engine: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.empty()

    async def fail(*_: Any, **__: Any) -> Any:
        raise BackendError("the server went away")

    monkeypatch.setattr(stores[EU].admin, "scan", fail)
    report = await scan(stores, engine, adopt=True)
    assert (report.exit_code, report.pinned) == (3, 0)
    assert (await engine.list(PINS)).keys == []
    with pytest.raises(BackendError, match="never begun"):
        await again(stores, engine)


async def test_a_registry_that_does_not_answer_is_not_clean(stores: dict[str, Backend], engine: Shared) -> None:
    engine.is_cut_off = True
    report = await scan(stores, engine)
    assert report.exit_code == 3
    assert report.unseen["pins"] == "the registry cannot be reached"


async def test_labels_without_ids_get_theirs_for_moves(stores: dict[str, Backend], engine: Shared) -> None:
    """A guard without pins wrote them; who moves a session must know the ids of its records."""
    label = {"region": EU, "tenant": "acme", "session": "acme"}
    await stores[EU]["message.set"](id="old", value={"sessionId": "acme", FIELD: label})
    report = await scan(stores, engine, adopt=True)
    assert (report.exit_code, report.adopted, report.claimed) == (0, 1, 1)
    assert (await stores[EU]["message.get"](id="old"))[FIELD] == {**label, "id": "old"}


async def test_a_session_from_before_there_were_pins_is_not_taken_by_who_writes_first(
    stores: dict[str, Backend], engine: Shared
) -> None:
    """Its label is looked at before the pin is made; without one it has to be adopted first."""
    for id_, record in (
        ("old", {}),
        ("old of acme", {FIELD: {"region": US, "tenant": "acme", "session": "old of acme"}}),
    ):
        await stores[US]["session.set"](id=id_, value=record)
    pins, handlers = await again(stores, engine)
    with call_context(tenant="globex"):
        for id_ in ("old", "old of acme"):
            for name, params in (
                ("session.set", {"id": id_, "value": {}}),
                ("session.update", {"id": id_, "updates": {}}),
                ("message.set", {"id": "new", "value": {"sessionId": id_}}),
            ):
                with pytest.raises(ResidencyError, match="label"):
                    await handlers[name](**params)
            assert await pins.engine.get(PinKey("session", id_).pin) is None
    await pins.aclose()


async def test_a_store_that_fails_before_the_first_pin_is_not_taken_for_the_registry(
    stores: dict[str, Backend], engine: Shared
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise BackendError("the server went away", retryable=True)

    failing = wrap(dict.fromkeys(stores[US], fail), backend=stores[US].info)
    pins, handlers = await again({**stores, US: failing}, engine)
    with call_context(tenant="globex"), pytest.raises(BackendError, match="went away"):
        await handlers["session.set"](id="new", value={})
    await pins.aclose()
