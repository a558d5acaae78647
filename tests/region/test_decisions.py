"""The engine decides what an obviously right interpreter decides, and denies what it cannot know."""

from __future__ import annotations

from typing import Any

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

REGIONS = [EU, EU_2, US, "aws:sa-east-1"]
EXPIRES = 1796083200.0  # 2026-12-01T00:00:00Z
TENANTS = ["acme", "globex", "initech", "*"]

groups = st.lists(st.sampled_from(["eu", "us"]), min_size=1, max_size=2)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    rules: dict[str, dict[str, Any]] = {
        name: {"store": draw(groups), "access": draw(groups)} for name in ("one", "two")
    }
    regions = {"eu": draw(st.sampled_from([[EU], [EU, EU_2]])), "us": [US]}
    for rule in rules.values():
        rule["home"] = regions[rule["store"][0]][0]
    exceptions: list[dict[str, Any]] = [
        {
            "id": f"x{number}",
            "rule": draw(st.sampled_from(["one", "two"])),
            "operations": draw(st.lists(st.sampled_from(["session.get", "session.set"]), min_size=1)),
            draw(st.sampled_from(["store", "access"])): draw(groups),
            "reason": "why",
            "approved_by": ["a", "b"],
            "expires": draw(st.sampled_from(["2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z"])),
        }
        for number in range(draw(st.integers(0, 2)))
    ]
    return sound(
        mode=draw(st.sampled_from(["enforce", "monitor"])),
        min_confidence=draw(st.sampled_from(interpreter.ORDER)),
        regions=regions,
        rules=rules,
        tenants=draw(st.dictionaries(st.sampled_from(TENANTS), st.sampled_from(["one", "two"]))),
        exceptions=exceptions,
    )


facts_of_calls = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(["session.get", "session.set", "part.listBySession"]),
        "tenant": st.none() | st.sampled_from(TENANTS),
        "caller_region": st.none() | st.sampled_from(REGIONS),
        "call_region": st.none() | st.sampled_from(REGIONS),
        "backend_region": st.none() | st.sampled_from(REGIONS),
        "confidence": st.sampled_from(interpreter.ORDER),
    }
)


def question(facts: dict[str, Any]) -> Question:
    backend = BackendInfo("memory", region=facts["backend_region"], region_confidence=facts["confidence"])
    return Question(facts["operation"], facts["tenant"], facts["caller_region"], facts["call_region"], backend)


@settings(max_examples=500)
@given(policy=policies(), facts=facts_of_calls, now=st.sampled_from([EXPIRES - 1, EXPIRES, EXPIRES + 1]))
def test_the_engine_equals_the_interpreter(policy: dict[str, Any], facts: dict[str, Any], now: float) -> None:
    decision = decide(ResidencyPolicy.from_dict(policy), question(facts), now)
    assert decision.effect == interpreter.effect(policy, facts, now)
    assert decision.allowed == (decision.effect != "deny")
    line = decision.explain()
    assert "\n" not in line
    assert decision.code in REASONS
    assert facts["tenant"] in {None, "*"} or facts["tenant"] not in line


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
