"""Random policies and calls for the property tests, and other ways to write the same policy."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.region import interpreter
from tests.region.policies import EU, EU_2, US, sound

if TYPE_CHECKING:
    from random import Random

REGIONS = [EU, EU_2, US, "aws:sa-east-1"]
TENANTS = ["acme", "globex", "initech", "*"]
INSTANTS = ["2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z"]
EXPIRES = 1796083200.0  # the first of them

_unreachable = st.sampled_from([{}, {"pins_unreachable": "deny"}, {"pins_unreachable": "read_pinned"}])
groups = st.lists(st.sampled_from(["eu", "us"]), min_size=1, max_size=2)
MODES: list[dict[str, str]] = [
    *({"mode": mode} for mode in ("enforce", "monitor")),
    *({"mode": "monitor", "monitor_until": each} for each in INSTANTS),
]


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    regions = {"eu": draw(st.sampled_from([[EU], [EU, EU_2]])), "us": [US]}
    top = draw(st.sampled_from(MODES))
    rules = {name: draw(_rules(regions, monitored=top["mode"] == "monitor")) for name in ("one", "two")}
    return sound(
        **top,
        **draw(_unreachable),
        min_confidence=draw(st.sampled_from(interpreter.ORDER)),
        regions=regions,
        rules=rules,
        tenants=draw(st.dictionaries(st.sampled_from(TENANTS), st.sampled_from(["one", "two"]))),
        exceptions=[draw(_exceptions(f"x{number}")) for number in range(draw(st.integers(0, 3)))],
    )


@st.composite
def _rules(draw: st.DrawFn, regions: dict[str, list[str]], *, monitored: bool) -> dict[str, Any]:
    store = draw(groups)
    rule = {
        "store": store,
        "access": draw(groups),
        "home": regions[store[0]][0],
        **draw(st.sampled_from([{}, *MODES])),
    }
    if "mode" not in rule and monitored and draw(st.booleans()):
        rule["monitor_until"] = draw(st.sampled_from(INSTANTS))
    if draw(st.booleans()):
        rule["telemetry"] = draw(groups)
    return rule | draw(_unreachable)


@st.composite
def _exceptions(draw: st.DrawFn, id: str) -> dict[str, Any]:
    return {
        "id": id,
        "rule": draw(st.sampled_from(["one", "two"])),
        "operations": draw(st.lists(st.sampled_from(["session.get", "session.set"]), min_size=1, max_size=3)),
        draw(st.sampled_from(["store", "access"])): draw(groups),
        "reason": "why",
        "approved_by": ["a", "b"],
        "expires": draw(st.sampled_from(INSTANTS)),
    }


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


def rewritten(policy: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return the same policy in other words: all in another order, repeated, with other names for groups."""
    written = deepcopy(policy)
    names = {name: f"{name}-{random.randrange(9)}" for name in written["regions"]}
    written["regions"] = {names[name]: regions for name, regions in written["regions"].items()}
    if random.random() < 0.5:
        written["regions"]["nobody-uses-it"] = ["aws:sa-east-1"]
    for table in [*written["rules"].values(), *written["exceptions"]]:
        for key in {"store", "access", "telemetry"} & set(table):
            table[key] = [names[group] for group in table[key]]
    for rule in written["rules"].values():
        rule.setdefault("mode", written["mode"])
        rule.setdefault("pins_unreachable", written.get("pins_unreachable", "deny"))
    shuffled: dict[str, Any] = _shuffled(written, random)
    return shuffled


def _shuffled(value: Any, random: Random, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shuffled(value[name], random, name) for name in random.sample(list(value), len(value))}
    if isinstance(value, list):
        repeated = [] if key in {"exceptions", "approved_by"} else random.choices(value, k=random.randrange(2))
        items = [_shuffled(item, random) for item in [*value, *repeated]]
        return random.sample(items, len(items))
    return _elsewhere(value, random) if key in {"expires", "monitor_until"} else value


def _elsewhere(instant: str, random: Random) -> Any:
    """Return the same instant on another place's clock, as TOML's own type or as a string."""
    there = timezone(timedelta(minutes=random.randrange(-720, 720)))
    moment = datetime.fromisoformat(instant).astimezone(there)
    return random.choice([moment, moment.isoformat()])
