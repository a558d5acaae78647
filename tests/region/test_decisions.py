"""The engine decides what an obviously right interpreter decides, and denies what it cannot know."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescope import OPERATIONS, BackendInfo, Call, CallContext
from storescope.middleware import ResidencyPolicy
from storescope.middleware._region import _memory
from storescope.middleware._region._decision import REASONS
from storescope.middleware._region._engine import Question, decide
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._memory import Memory
from tests.region import interpreter
from tests.region.policies import EU, EU_2, US, changed, sound
from tests.region.strategies import EXPIRES, facts_of_calls, policies, rewritten
from tests.rounds import LONG

if TYPE_CHECKING:
    from random import Random


def question(facts: dict[str, Any]) -> Question:
    backend = BackendInfo("memory", region=facts["backend_region"], region_confidence=facts["confidence"])
    return Question(facts["operation"], facts["tenant"], facts["caller_region"], facts["call_region"], backend)


instants = st.sampled_from([EXPIRES - 1, EXPIRES - 0.001, EXPIRES, EXPIRES + 1])


@pytest.mark.unmeasured
@settings(max_examples=500 if LONG else 160)
@given(policy=policies(), facts=facts_of_calls, now=instants)
def test_the_engine_equals_the_interpreter(policy: dict[str, Any], facts: dict[str, Any], now: float) -> None:
    decision = decide(ResidencyPolicy.from_dict(policy), question(facts), now)
    assert (decision.effect, decision.exception) == interpreter.effect(policy, facts, now)
    assert decision.allowed == (decision.effect != "deny")
    line = decision.explain()
    assert "\n" not in line
    assert decision.code in REASONS
    assert facts["tenant"] in {None, "*"} or facts["tenant"] not in line


@pytest.mark.unmeasured
@settings(max_examples=300 if LONG else 100)
@given(policy=policies(), facts=facts_of_calls, now=instants, random=st.randoms())
def test_no_order_and_no_way_of_writing_changes_a_decision(
    policy: dict[str, Any], facts: dict[str, Any], now: float, random: Random
) -> None:
    first, second = (ResidencyPolicy.from_dict(each) for each in (policy, rewritten(policy, random)))
    one, two = (asdict(decide(each, question(facts), now)) for each in (first, second))
    assert one == two  # the digest too


@given(facts=facts_of_calls, missing=st.sampled_from(["tenant", "backend_region", "both callers"]))
def test_what_is_unknown_is_denied(facts: dict[str, Any], missing: str) -> None:
    unknown = {"caller_region": None, "call_region": None} if missing == "both callers" else {missing: None}
    policy = ResidencyPolicy.from_dict(sound(tenants={"*": "eu-only"}, exceptions=[]))
    assert not decide(policy, question({**facts, **unknown}), EXPIRES).allowed


def memory(policy: dict[str, Any], backend_region: str | None = EU) -> Memory:
    source = FixedPolicy(ResidencyPolicy.from_dict(policy))
    return Memory(source, BackendInfo("memory", region=backend_region), None, "off")


def ask(remembers: Memory, operation: str, tenant: str | None, region: str | None) -> Any:
    call = Call(OPERATIONS[operation], {}, CallContext(tenant=tenant, region=region))
    remembers.opener(operation)(call)
    return call.decision


def test_an_exception_holds_to_the_second_and_is_not_remembered_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = EXPIRES - 60
    monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: now)
    remembers = memory(sound())
    assert ask(remembers, "session.get", "acme", US).effect == "exception"
    assert ask(remembers, "session.get", "acme", US).exception == "support"
    assert ask(remembers, "session.set", "acme", US).effect == "deny"  # the exception names one operation
    now = EXPIRES
    assert ask(remembers, "session.get", "acme", US).effect == "deny"


MONITORED = {"mode": "monitor", "monitor_until": "2026-12-01T00:00:00Z"}


@pytest.mark.parametrize(
    "policy",
    [
        sound(**MONITORED),
        changed("rules/eu-only", {**sound()["rules"]["eu-only"], **MONITORED}),
        {**changed("rules/eu-only/monitor_until", "2026-12-01T00:00:00Z"), "mode": "monitor"},
    ],
    ids=["the policy", "one rule", "one rule of a policy without an end"],
)
def test_monitoring_lets_through_until_its_end_and_then_denies_to_the_second(
    policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = EXPIRES - 60
    monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: now)
    remembers = memory(policy)
    for _ in range(2):
        decision = ask(remembers, "session.set", "acme", US)
        assert (decision.effect, decision.code, decision.expires) == (
            "would_deny",
            "call_region_forbidden",
            EXPIRES,
        )
    now = EXPIRES
    assert ask(remembers, "session.set", "acme", US).effect == "deny"
    now = EXPIRES - 60  # nor does a clock that jumps back
    assert ask(remembers, "session.set", "acme", US).effect == "deny"


def test_a_rule_that_is_enforced_denies_under_a_policy_that_monitors() -> None:
    policy = ResidencyPolicy.from_dict({**changed("rules/eu-only/mode", "enforce"), "mode": "monitor"})
    backend = BackendInfo("memory", region=EU)
    assert decide(policy, Question("part.set", "acme", US, None, backend), EXPIRES).effect == "deny"
    assert decide(policy, Question("part.set", "globex", US, None, backend), EXPIRES).effect == "would_deny"
    assert decide(policy, Question("part.set", "initech", US, None, backend), EXPIRES).effect == "would_deny"


def test_of_two_exceptions_the_one_that_ends_last_is_named_whatever_their_order() -> None:
    short, long = ({**sound()["exceptions"][0], "id": name} for name in ("a", "b"))
    long["expires"] = "2027-01-01T00:00:00Z"
    for exceptions in ([short, long], [long, short]):
        policy = ResidencyPolicy.from_dict(sound(exceptions=exceptions))
        facts = Question("session.get", "acme", US, None, BackendInfo("memory", region=EU))
        assert decide(policy, facts, EXPIRES - 1).exception == "b"


def test_a_clock_that_jumps_back_prolongs_nothing_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    now = EXPIRES + 1
    monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: now)
    remembers = memory(sound())
    assert ask(remembers, "session.get", "acme", US).effect == "deny"
    now = EXPIRES - 60
    assert ask(remembers, "session.get", "acme", US).effect == "deny"  # a denial stays until the next reload


def test_a_clock_that_jumps_back_revives_no_exception_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    now = EXPIRES - 1
    monkeypatch.setattr("storescope.middleware._region._memory.time.time", lambda: now)
    remembers = memory(sound())
    assert ask(remembers, "session.get", "acme", US).effect == "exception"
    now = EXPIRES + 1
    assert ask(remembers, "session.get", "acme", EU_2).effect == "allow"  # other facts: nothing looks at the clock
    assert ask(remembers, "session.get", "globex", US).effect == "deny"
    now = EXPIRES - 1
    assert ask(remembers, "session.get", "acme", US).effect == "deny"


def test_what_was_let_through_says_why_in_one_line() -> None:
    policy = ResidencyPolicy.from_dict(sound())
    excepted = decide(policy, Question("session.get", "acme", US, None, BackendInfo("m", region=EU)), EXPIRES - 1)
    assert excepted.explain().startswith("let through by exception 'support', else denied by rule 'eu-only'")
    watched = ResidencyPolicy.from_dict(sound(mode="monitor"))
    denied = decide(watched, Question("part.set", "acme", "a\nb", None, BackendInfo("m", region=EU)), EXPIRES)
    assert denied.explain().startswith("let through, would be denied by rule 'eu-only'")
    assert denied.explain().isprintable()


def test_decisions_are_remembered_per_set_of_facts() -> None:
    remembers = memory(sound(exceptions=[]))
    first = ask(remembers, "session.get", "acme", EU)
    assert ask(remembers, "message.set", "acme", EU) is first
    assert ask(remembers, "session.get", "acme", US).code == "call_region_forbidden"
    assert ask(remembers, "session.get", "globex", EU).code == "backend_region_forbidden"


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "_MOST_REMEMBERED", 10)
    remembers = memory(sound())
    for number in range(100):
        assert not ask(remembers, "session.get", f"tenant-{number}", EU).allowed
    assert len(remembers._seen.decisions) <= 10


@pytest.mark.parametrize(
    ("policy", "facts", "code"),
    [
        (sound(), {"tenant": None}, "tenant_missing"),
        (sound(tenants={"*": "eu-only"}), {"tenant": ""}, "tenant_missing"),
        (sound(), {"confidence": "rumoured"}, "backend_confidence_low"),
        (sound(), {"tenant": "initech"}, "tenant_unlisted"),
        (sound(), {"backend_region": None}, "backend_region_unknown"),
        (sound(), {"backend_region": US}, "backend_region_forbidden"),
        (changed("min_confidence", "probed"), {}, "backend_confidence_low"),
        (sound(), {"caller_region": None, "call_region": None}, "caller_region_unknown"),
        (sound(), {"caller_region": US}, "caller_region_forbidden"),
        (sound(), {"call_region": US}, "call_region_forbidden"),
        (sound(), {}, "allowed"),
    ],
)
def test_each_reason_has_its_code_and_says_what_would_be_allowed(
    policy: dict[str, Any], facts: dict[str, Any], code: str
) -> None:
    good: dict[str, Any] = {
        "operation": "part.set",
        "tenant": "acme",
        "caller_region": EU,
        "call_region": EU_2,
        "backend_region": EU,
        "confidence": "declared",
    }
    decision = decide(ResidencyPolicy.from_dict(policy), question({**good, **facts}), EXPIRES)
    assert decision.code == code
    assert bool(decision.would_allow_if) == (code != "allowed")
    assert ("it would be allowed" in decision.explain()) == (code != "allowed")
