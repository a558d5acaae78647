"""A scan finds what must not lie where it lies, adopts what may, and calls nothing clean that it did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storescope import BackendError, BackendInfo, call_context, wrap
from storescope.backends import Backend, open_backend
from storescope.middleware import ResidencyPolicy, region_guard
from storescope.middleware._region._labels import FIELD, Labels
from storescope.middleware._region._scan import Scan
from storescope.middleware._region._scan_report import ScanReport, Violation
from tests.region.policies import EU, US, sound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ENTITIES = ("session", "message", "part", "sandbox", "setup")
POLICY = ResidencyPolicy.from_dict(sound(tenants={"acme": "eu-only", "globex": "us-data"}))
EXPIRES = 1796083200.0  # 2026-12-01T00:00:00Z
KEYS = (b"k" * 32,)


@pytest.fixture
async def shared(operator_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(operator_url, region=EU) as backend:
        yield backend


@pytest.fixture
async def apart(operator_url: str) -> AsyncGenerator[Backend, None]:
    async with open_backend(operator_url, region=EU, tenancy="required") as backend:
        yield backend


async def scan(backend: Backend, **changes: Any) -> ScanReport:
    settings: dict[str, Any] = {
        "policy": POLICY,
        "backend": backend.info,
        "labels": Labels(),
        "owner": None,
        "adopt": False,
        "now": EXPIRES,
        **changes,
    }
    report = ScanReport()
    await Scan(**settings).run(backend.admin, report, lambda _: None)
    return report


async def write_all(handlers: Any, id_: str) -> None:
    for entity in ENTITIES:
        await handlers[f"{entity}.set"](id=id_, value={"sessionId": "s", "text": "secret"})


async def test_what_the_guard_wrote_is_clean(shared: Backend) -> None:
    with call_context(tenant="acme"):
        await write_all(wrap(shared, region_guard(POLICY, caller_region=EU)), "r")
    report = await scan(shared)
    assert (report.exit_code, report.violations, report.unseen) == (0, [], {})
    assert report.seen == dict.fromkeys(ENTITIES, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({FIELD: ...}, "tenant_missing"),
        ({FIELD: "eu"}, "tenant_missing"),
        ({FIELD: {"region": EU, "session": "s"}}, "tenant_missing"),
        ({FIELD: {"tenant": "acme", "region": US, "session": "s"}}, "label_region_mismatch"),
        ({FIELD: {"tenant": "acme", "region": EU, "session": "t"}}, "label_session_mismatch"),
        ({FIELD: {"tenant": "globex", "region": EU, "session": "s"}}, "backend_region_forbidden"),
        ({FIELD: {"tenant": "initech", "region": EU, "session": "s"}}, "tenant_unlisted"),
    ],
)
async def test_what_is_wrong_has_its_code(change: dict[str, Any], code: str, shared: Backend) -> None:
    record = {"sessionId": "s", FIELD: {"tenant": "acme", "region": EU, "session": "s"}, **change}
    await shared["message.set"](id="m", value={name: value for name, value in record.items() if value is not ...})
    report = await scan(shared)
    assert report.exit_code == 1
    ((entity, _, id_, found, region),) = report.violations
    assert (entity, id_, found, region) == ("message", "m", code, EU)
    assert "secret" not in str(report.to_dict())


async def test_an_exception_counts_while_it_lasts(shared: Backend) -> None:
    policy = sound(tenants={"globex": "us-data"})
    policy["exceptions"][0] |= {"rule": "us-data", "store": ["eu"]}
    loaded = ResidencyPolicy.from_dict(policy)
    label = {"tenant": "globex", "region": EU}
    await shared["setup.set"](id="x", value={FIELD: label})
    assert (await scan(shared, policy=loaded, now=EXPIRES - 1)).exit_code == 0
    assert (await scan(shared, policy=loaded, now=EXPIRES)).exit_code == 1


async def test_a_mac_is_checked_if_the_key_is_given(shared: Backend) -> None:
    with call_context(tenant="acme"):
        await write_all(wrap(shared, region_guard(POLICY, caller_region=EU, label_keys=KEYS)), "r")
    assert (await scan(shared, labels=Labels(KEYS))).exit_code == 0
    other = await scan(shared, labels=Labels([b"another key of 32 bytes........."]))
    assert other.codes == {"label_forged": 5}


@pytest.mark.parametrize("keys", [(), KEYS], ids=["plain", "with a MAC"])
async def test_old_records_are_adopted_for_the_owner_that_is_named(keys: Any, shared: Backend) -> None:
    """The guard denies them, a scan labels them, then the guard lets them through."""
    await write_all(shared, "old")
    assert (await scan(shared)).codes == {"tenant_missing": 5}
    assert (await scan(shared, owner="acme")).codes == {"label_missing": 5}
    first = await scan(shared, owner="acme", adopt=True, labels=Labels(keys))
    assert (first.exit_code, first.adopted) == (0, 5)
    again = await scan(shared, adopt=True, labels=Labels(keys))
    assert (again.exit_code, again.adopted) == (0, 0)
    guarded = wrap(shared, region_guard(POLICY, caller_region=EU, label_keys=keys))
    with call_context(tenant="acme"):
        for entity in ENTITIES:
            assert await guarded[f"{entity}.get"](id="old") == {"sessionId": "s", "text": "secret"}


async def test_what_may_not_rest_here_is_not_adopted(shared: Backend) -> None:
    await write_all(shared, "old")
    report = await scan(shared, owner="globex", adopt=True)
    assert (report.adopted, report.codes) == (0, {"backend_region_forbidden": 5})
    assert FIELD not in await shared["session.get"](id="old")


async def test_where_tenants_are_apart_the_store_says_whose_a_record_is(apart: Backend) -> None:
    for tenant in ("acme", "globex"):
        with call_context(tenant=tenant):
            await write_all(apart, "same id")
    report = await scan(apart, adopt=True)
    assert report.adopted == 5
    assert report.codes == {"backend_region_forbidden": 5}
    assert {violation.tenant for violation in report.violations} == {"globex"}
    with call_context(tenant="acme"):
        await apart["session.set"](id="mine", value={FIELD: {"tenant": "globex", "region": EU, "session": "mine"}})
    assert (await scan(apart)).codes["label_tenant_mismatch"] == 1


class FailingStore:
    """Lists a page of each entity; then it fails for one of them."""

    def __init__(self, fails: str) -> None:
        self._fails = fails

    async def scan(self, entity: str, cursor: str | None = None, *, every_tenant: bool = False) -> Any:
        assert every_tenant
        if entity == self._fails:
            raise BackendError("the server went away", retryable=True)
        return [], None

    async def merge(self, entity: str, id: str, fields: dict[str, Any]) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("fails", ENTITIES)
async def test_what_could_not_be_listed_is_never_clean(fails: str) -> None:
    job = Scan(POLICY, BackendInfo("memory", region=EU), Labels(), None, adopt=False, now=0)
    report = ScanReport()
    await job.run(FailingStore(fails), report, lambda _: None)
    assert report.exit_code == 3
    assert report.unseen == {f"{fails} in {EU}": "the server went away"}


async def test_a_region_that_is_only_declared_is_not_enough_if_the_policy_says_so(shared: Backend) -> None:
    with call_context(tenant="acme"):
        await write_all(wrap(shared, region_guard(POLICY, caller_region=EU)), "r")
    strict = ResidencyPolicy.from_dict(sound(min_confidence="probed"))
    assert (await scan(shared, policy=strict)).codes == {"backend_confidence_low": 5}


def test_a_flood_of_violations_is_counted_and_listed_in_part() -> None:
    report = ScanReport()
    for number in range(5_000):
        report.add(Violation("session", None, str(number), "label_missing", EU))
    assert report.codes == {"label_missing": 5_000}
    assert len(report.violations) == 1_000
