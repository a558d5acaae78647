"""What `residency check` finds in a policy, and what it does not complain of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from storescope.middleware import ResidencyPolicy
from storescope.middleware._region._findings import check
from tests.region.policies import EU, US, changed, sound
from tests.region.strategies import EXPIRES, policies
from tests.rounds import LONG

NOW = EXPIRES - 86_400
QUIET = {"min_confidence": "attested", "tenants": {"acme": "eu-only", "globex": "us-data", "*": "eu-only"}}
UNTIL = {"mode": "monitor", "monitor_until": "2026-12-01T00:00:00Z"}
ENDED = {"mode": "monitor", "monitor_until": "2026-11-01T00:00:00Z"}


def quiet(path: str = "version", value: Any = "7") -> dict[str, Any]:
    """Return a policy that nothing can be said against, with one value changed."""
    policy = {**sound(), **QUIET}
    key = path.split("/", maxsplit=1)[0]
    return {**policy, key: value if "/" not in path else changed(path, value)[key]}


def test_a_policy_that_says_what_it_means_has_no_findings() -> None:
    policy, found = check(quiet(), NOW)
    assert found == []
    assert policy == ResidencyPolicy.from_dict(quiet())


FOUND: list[tuple[dict[str, Any], str, str, str, str]] = [
    # policy, severity, code, key, what is said
    (quiet("mode", "monitor"), "error", "monitor_without_end", "monitor_until", "without an end"),
    (quiet("rules/us-data/mode", "monitor"), "error", "monitor_without_end", "rules.us-data.monitor_until", "end"),
    ({**quiet(), **UNTIL}, "note", "monitored", "monitor_until", "until 2026-12-01T00:00:00Z"),
    ({**quiet(), **ENDED}, "warning", "monitor_ended", "monitor_until", "2026-11-01T00:00:00Z"),
    (
        quiet("rules/eu-only", {**sound()["rules"]["eu-only"], **ENDED}),
        *("warning", "monitor_ended", "rules.eu-only.monitor_until", "has passed"),
    ),
    (
        quiet("min_confidence", "declared"),
        "warning",
        "declared_confidence",
        "min_confidence",
        "nothing has looked",
    ),
    (quiet("regions/us", [US, EU]), "warning", "overlapping_groups", "regions.us", f"shares {EU} with 'eu'"),
    (quiet("regions/asia", ["aws:ap-east-1"]), "note", "unused_group", "regions.asia", "no rule"),
    (
        quiet("tenants", {"acme": "eu-only", "*": "eu-only"}),
        "warning",
        "unused_rule",
        "rules.us-data",
        "no tenant",
    ),
    (quiet("tenants", {"acme": "eu-only", "b": "us-data"}), "note", "no_rest", "tenants", "every tenant that"),
    (
        quiet("rules/us-data/access", ["eu"]),
        *("warning", "home_without_access", "rules.us-data.access", f"does not contain the home, {US}"),
    ),
    (
        quiet("rules/us-data/pins_unreachable", "read_pinned"),
        *("note", "reads_by_last_pin", "rules.us-data.pins_unreachable", "the last pin that is known"),
    ),
    (
        quiet("exceptions/0/expires", "2026-11-30T00:00:00Z"),
        *("warning", "exception_ended", "exceptions[0].expires", "'support' ends 2026-11-30T00:00:00Z"),
    ),
    (
        quiet("exceptions/0/expires", "2027-03-01T00:00:00Z"),
        *("warning", "exception_long", "exceptions[0].expires", "in 91 days"),
    ),
    (
        quiet("exceptions/0/access", ["eu"]),
        *("warning", "exception_without_effect", "exceptions[0]", "rule 'eu-only' allows already"),
    ),
    (quiet("rules/eu-only/home", US), "error", "invalid", "rules.eu-only.home", "allowed are"),
    (quiet("tenants/acme", "none"), "error", "invalid", "tenants.acme", "'none' is not allowed"),
    (quiet("exceptions/0/expires", ...), "error", "invalid", "exceptions[0].expires", "is missing"),
]


@pytest.mark.parametrize(("policy", "severity", "code", "key", "says"), FOUND, ids=[each[2] for each in FOUND])
def test_each_finding_names_its_key(policy: dict[str, Any], severity: str, code: str, key: str, says: str) -> None:
    _, found = check(policy, NOW)
    assert [(each.severity, each.code, each.key) for each in found] == [(severity, code, key)]
    assert says in found[0].text


def test_an_exception_is_named_by_its_place_in_the_file() -> None:
    exceptions = [{**sound()["exceptions"][0], "id": name} for name in ("a", "b")]
    exceptions[1]["expires"] = "2026-11-01T00:00:00Z"  # compiled, the one that ends last comes first
    _, found = check({**quiet(), "exceptions": exceptions}, NOW)
    assert [each.key for each in found] == ["exceptions[1].expires"]


def test_the_worst_comes_first() -> None:
    policy = {**sound(mode="monitor"), "tenants": {"acme": "eu-only"}}
    _, found = check(policy, NOW)
    assert [each.severity for each in found] == ["error", "warning", "warning", "note"]


def test_a_rule_that_goes_with_the_policy_is_not_named_too() -> None:
    _, found = check({**quiet("rules/eu-only/mode", "monitor"), "mode": "monitor"}, NOW)
    assert [each.key for each in found] == ["monitor_until"]


def test_what_is_odd_stays_in_its_line() -> None:
    policy = quiet()
    policy["regions"]["a\nb"] = policy["regions"]["c\u2028d"] = ["e\nf"]
    policy["rules"]["x\ny"] = {"store": ["a\nb"], "access": ["eu"], "home": "e\nf"}
    policy["exceptions"].append({**policy["exceptions"][0], "id": "z\n", "expires": "2026-11-01T00:00:00Z"})
    _, found = check(policy, NOW)
    assert {each.code for each in found} == {
        *("overlapping_groups", "unused_group", "unused_rule", "home_without_access", "exception_ended")
    }
    assert all((each.key + each.text).isprintable() for each in found)


@settings(max_examples=200 if LONG else 60)
@given(policy=policies())
def test_whatever_can_be_loaded_can_be_checked(policy: dict[str, Any]) -> None:
    loaded, found = check(policy, EXPIRES)
    assert loaded == ResidencyPolicy.from_dict(policy)
    assert all((each.key + each.text).isprintable() for each in found)
