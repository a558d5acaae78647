"""What two policies decide differently: all of it, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from storescope.middleware import ResidencyPolicy
from storescope.middleware._region._diff import Difference, diff
from tests.region import interpreter
from tests.region.policies import EU, EU_2, US, changed, sound
from tests.region.strategies import EXPIRES, REGIONS, TENANTS, policies, rewritten
from tests.rounds import LONG

if TYPE_CHECKING:
    from random import Random


def compared(before: dict[str, Any], after: dict[str, Any], now: float = EXPIRES - 1) -> Difference:
    return diff(ResidencyPolicy.from_dict(before), ResidencyPolicy.from_dict(after), now)


def effect(policy: dict[str, Any], tenant: str, backend: str, caller: str, now: float) -> str:
    facts = {"operation": "session.get", "tenant": tenant, "confidence": "attested"}
    regions = {"backend_region": backend, "caller_region": caller, "call_region": None}
    return interpreter.effect({**policy, "exceptions": []}, {**facts, **regions}, now)[0]


@settings(max_examples=300 if LONG else 100)
@given(before=policies(), after=policies(), now=st.sampled_from([EXPIRES - 1, EXPIRES]))
def test_every_pair_that_changes_is_named_and_no_other(
    before: dict[str, Any], after: dict[str, Any], now: float
) -> None:
    found = compared(before, after, now)
    named = {
        (tenant, pair.backend_region, pair.caller_region): (pair.before.effect, pair.after.effect)
        for change in found.tenants
        for tenant in change.tenants
        for pair in change.pairs
    }
    listed = {*before["tenants"], *after["tenants"]}
    for tenant in {*TENANTS, "in-neither"}:
        for backend in REGIONS:
            for caller in REGIONS:
                effects = tuple(effect(policy, tenant, backend, caller, now) for policy in (before, after))
                one, other = (region if region in found.regions else "*" for region in (backend, caller))
                assert named.get((tenant if tenant in listed else "*", one, other)) == (
                    effects if len(set(effects)) == 2 else None
                )


@given(policy=policies(), random=st.randoms())
def test_the_same_policy_in_other_words_changes_nothing(policy: dict[str, Any], random: Random) -> None:
    assert not compared(policy, {**rewritten(policy, random), "version": "8"})


def test_a_tenant_that_is_listed_in_one_falls_to_the_rest_in_the_other() -> None:
    before = sound(tenants={"*": "eu-only", "globex": "us-data"})
    found = compared(before, sound(tenants={"*": "eu-only"}))
    assert [change.tenants for change in found.tenants] == [("globex",)]
    assert found.tenants[0].rules == ("us-data", "eu-only")
    assert not compared(sound(tenants={"*": "eu-only", "acme": "eu-only"}), sound(tenants={"*": "eu-only"}))


def test_tenants_with_the_same_pair_of_rules_are_one_change() -> None:
    many = {f"tenant-{number:05}": "eu-only" for number in range(10_000)}
    moved = {**many, **dict.fromkeys(list(many)[:4_000], "us-data")}
    begun = time.process_time()
    found = compared(sound(tenants=many), sound(tenants=moved))
    assert time.process_time() - begun < 5
    assert [len(change.tenants) for change in found.tenants] == [4_000]


def test_what_decides_and_is_no_pair_is_named() -> None:
    def settings_of(found: Difference) -> list[tuple[Any, ...]]:
        return [tuple(change) for change in found.settings]

    assert settings_of(compared(sound(), sound(min_confidence="probed"))) == [
        ("min_confidence", "declared", "probed")
    ]
    assert settings_of(compared(sound(), sound(mode="monitor"))) == [("mode", "enforce", "monitor")]
    january, february = (sound(mode="monitor", monitor_until=f"2027-0{month}-01T00:00:00Z") for month in (1, 2))
    assert settings_of(compared(january, february)) == [
        ("monitor_until", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
    ]
    (home,) = compared(sound(), changed("rules/eu-only/home", EU_2)).tenants
    assert (home.tenants, home.pairs, home.settings) == (("acme",), (), (("home", EU, EU_2),))
    (reads,) = compared(sound(), changed("rules/eu-only/pins_unreachable", "read_pinned")).tenants
    assert (reads.tenants, reads.settings) == (("acme",), (("pins_unreachable", "deny", "read_pinned"),))
    telemetry = compared(sound(), changed("rules/us-data/telemetry", ["us", "eu"])).telemetry
    assert telemetry == (("us-data", [US], sorted([EU, EU_2, US])),)
    assert compared(sound(), changed("rules/us-data/telemetry", ...)).telemetry == (("us-data", [US], None),)


def test_exceptions_come_go_and_change() -> None:
    changes = compared(sound(), changed("exceptions/0/expires", "2027-01-01T00:00:00Z")).exceptions
    assert [(change.key, change.before["expires"], change.after["expires"]) for change in changes] == [
        ("support", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
    ]
    (gone,) = compared(sound(), sound(exceptions=[])).exceptions
    (come,) = compared(sound(exceptions=[]), sound()).exceptions
    assert (gone.key, gone.after, come.before) == ("support", None, None)
    assert gone.before == come.after


def test_a_rule_that_nobody_uses_changes_nothing() -> None:
    spare = sound()["rules"]["eu-only"]
    assert not compared(sound(), changed("rules/spare", spare))
