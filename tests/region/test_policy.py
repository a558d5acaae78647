"""A policy file is sound, or refused in one line that names file, key and what is allowed."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from storescope import PolicyError
from storescope.middleware import ResidencyPolicy
from tests.region import interpreter
from tests.region.policies import EU_2, US, changed, sound
from tests.region.strategies import policies, rewritten
from tests.rounds import LONG

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

TOML = """
schema = "residency/1"
version = "7"            # the author's own
mode = "enforce"
min_confidence = "declared"
[regions]
eu = ["aws:eu-west-1"]
[tenants]
acme = "eu-only"
[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "aws:eu-west-1"
[[exceptions]]
id = "x"
rule = "eu-only"
operations = ["session.get"]
access = ["eu"]
reason = "why"
approved_by = ["a", "b"]
expires = 2026-12-01T00:00:00Z
"""

WRONG: list[tuple[str, Any, str, str]] = [
    # path, value, the key that is named, what is said
    ("colour", "red", "colour", "unknown key; allowed are schema"),
    ("tenant", {}, "tenant", "did you mean 'tenants'?"),
    ("schema", ..., "schema", "is missing"),
    ("schema", "residency/2", "schema", "allowed are residency/1"),
    ("version", 7, "version", "must be a non-empty string"),
    ("version", "", "version", "must be a non-empty string"),
    ("mode", "enforced", "mode", "did you mean 'enforce'?"),
    ("min_confidence", "sure", "min_confidence", "allowed are declared, probed, attested"),
    ("regions", ["eu"], "regions", "must be a table"),
    ("regions/eu", [], "regions.eu", "one or more"),
    ("regions/eu", [1], "regions.eu", "non-empty strings"),
    ("tenants/acme", "eu-onyl", "tenants.acme", "did you mean 'eu-only'?"),
    ("tenants/acme", 1, "tenants.acme", "must be a non-empty string"),
    ("monitor_until", "2026-12-01T00:00:00Z", "monitor_until", 'goes only with mode = "monitor"'),
    ("pins_unreachable", "read", "pins_unreachable", "allowed are deny, read_pinned"),
    ("rules/eu-only/pins_unreachable", True, "rules.eu-only.pins_unreachable", "must be a non-empty string"),
    ("rules/eu-only/mode", "watch", "rules.eu-only.mode", "allowed are enforce, monitor"),
    (
        *("rules/eu-only/monitor_until", "2026-12-01T00:00:00Z"),
        *("rules.eu-only.monitor_until", 'goes only with mode = "monitor"'),
    ),
    ("exceptions/0/approved_by", ["one", " "], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/expires", "9999-12-31T23:59:59-01:00", "exceptions[0].expires", "with an offset"),
    ("rules", {}, "tenants.acme", "there are none to choose from"),
    ("rules/eu-only", "eu", "rules.eu-only", "must be a table"),
    ("rules/eu-only/stores", ["eu"], "rules.eu-only.stores", "did you mean 'store'?"),
    ("rules/eu-only/store", ["asia"], "rules.eu-only.store", "there is no 'asia'; allowed are eu, us"),
    ("rules/eu-only/store", "eu", "rules.eu-only.store", "must be a list"),
    ("rules/eu-only/access", ..., "rules.eu-only.access", "is missing"),
    ("rules/eu-only/home", "aws:us-east-1", "rules.eu-only.home", "allowed are aws:eu-central-1, aws:eu-west-1"),
    ("rules/us-data/telemetry", ["moon"], "rules.us-data.telemetry", "there is no 'moon'"),
    ("exceptions", {}, "exceptions", "each under [[exceptions]]"),
    ("exceptions", ["x"], "exceptions", "each under [[exceptions]]"),
    ("exceptions/0/until", 1, "exceptions[0].until", "unknown key"),
    ("exceptions/0/rule", "none", "exceptions[0].rule", "allowed are eu-only, us-data"),
    ("exceptions/0/operations", ["session.read"], "exceptions[0].operations", "there is no 'session.read'"),
    ("exceptions/0/access", ..., "exceptions[0].store", "give store or access"),
    ("exceptions/0/approved_by", ["one"], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/approved_by", ["one", "one"], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/approved_by", ["one", " ONE"], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/approved_by", ["one", "two", "three"], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/expires", "soon", "exceptions[0].expires", "2027-01-31T00:00:00Z"),
    ("exceptions/0/expires", "2026-12-01T00:00:00", "exceptions[0].expires", "with an offset"),
    ("exceptions/0/expires", 1, "exceptions[0].expires", "with an offset"),
    ("exceptions/0/approved_by", ["a", "a", "b"], "exceptions[0].approved_by", "two different people"),
    ("exceptions/0/operations", [], "exceptions[0].operations", "one or more"),
    ("exceptions/0/store", [], "exceptions[0].store", "one or more"),
    ("exceptions/0/access", ["moon"], "exceptions[0].access", "there is no 'moon'"),
    ("exceptions/0/reason", "", "exceptions[0].reason", "must be a non-empty string"),
    ("exceptions/0/expires", True, "exceptions[0].expires", "with an offset"),
    ("exceptions/0/id", ..., "exceptions[0].id", "is missing"),
    ("rules/eu-only/access", [], "rules.eu-only.access", "one or more"),
    ("rules/eu-only/home", ..., "rules.eu-only.home", "is missing"),
    ("rules/us-data/telemetry", [], "rules.us-data.telemetry", "one or more"),
    ("mode", ..., "mode", "is missing"),
    ("regions", ..., "regions", "is missing"),
    ("tenants", ..., "tenants", "is missing"),
    ("rules", ..., "rules", "is missing"),
    ("two\nlines", 1, "two\\nlines", "unknown key"),
    ("rules/two\u2028lines", 1, "rules.two\\u2028lines", "must be a table"),
]


@pytest.mark.parametrize(("path", "value", "key", "says"), WRONG, ids=lambda value: str(value)[:30])
def test_what_is_wrong_is_named(path: str, value: Any, key: str, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        ResidencyPolicy.from_dict(changed(path, value), source="policy.toml")
    text = str(refused.value)
    assert text.startswith(f"policy.toml: {key}: ")
    assert refused.value.key == key
    assert says in text
    assert text.isprintable()


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(TOML)
    policy = ResidencyPolicy.load(tmp_path / "policy.toml")
    assert policy.version == "7"
    assert policy.tenants["acme"].store == {"aws:eu-west-1"}
    assert policy.exceptions[0].expires == 1796083200.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"mode = ", "is not TOML"),
        (b"mode = '\xff'", "must be UTF-8"),
        (b"mode = " + b"9" * 5_000, "is not TOML"),
        (b"mode = " + b"[" * 100_000, "is not TOML"),
        (TOML.replace("2026-12-01T00:00:00Z", "2026-13-01T00:00:00Z").encode(), "is not TOML"),
        (TOML.replace("2026-12-01T00:00:00Z", "2026-12-01").encode(), "expires"),
        (TOML.replace("2026-12-01T00:00:00Z", "2026-12-01T00:00:00").encode(), "expires"),
        (b'"two\\nlines" = 1', "unknown key"),
    ],
)
def test_what_cannot_be_parsed_is_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(content)
    with pytest.raises(PolicyError, match=says) as refused:
        ResidencyPolicy.load(tmp_path / "policy.toml")
    assert str(tmp_path / "policy.toml") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_id_that_two_exceptions_share_is_refused() -> None:
    exceptions = sound()["exceptions"] * 2
    with pytest.raises(PolicyError, match=r"exceptions\[1\]\.id: 'support' is given twice"):
        ResidencyPolicy.from_dict(sound(exceptions=exceptions))


def test_keys_and_values_that_would_break_the_line_are_escaped() -> None:
    for policy in (sound(**{"a\nb": 1}), changed("mode", "a\u2028b"), changed("tenants/acme", "x\r")):
        with pytest.raises(PolicyError) as refused:
            ResidencyPolicy.from_dict(policy)
        assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.toml", tmp_path, tmp_path / "two\nlines.toml", tmp_path / "a\0b"):
        with pytest.raises(PolicyError, match="cannot be read") as refused:
            ResidencyPolicy.load(path)
        assert str(refused.value).isprintable()


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["eu", "us"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
paths = st.sampled_from([path for path, *_ in WRONG])


@given(changes=st.dictionaries(paths, junk, max_size=3), top=st.dictionaries(st.sampled_from(list(sound())), junk))
def test_any_content_is_sound_or_refused(changes: dict[str, Any], top: dict[str, Any]) -> None:
    policy = sound()
    for path, value in changes.items():
        policy = {**policy, path.split("/")[0]: changed(path, value).get(path.split("/")[0])}
    with suppress(PolicyError):  # and nothing else
        ResidencyPolicy.from_dict({**policy, **top})


@given(content=st.text() | st.text("[]{}=\"'\n.,#ab01-:TZ"))
def test_any_text_is_refused_in_one_line(content: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(PolicyError) as refused:  # none of these is a whole policy
        ResidencyPolicy.load(path)
    assert str(refused.value).isprintable()


@given(policy=policies(), random=st.randoms())
def test_no_order_and_no_way_of_writing_changes_the_policy_or_its_digest(
    policy: dict[str, Any], random: Random
) -> None:
    assert ResidencyPolicy.from_dict(rewritten(policy, random)) == ResidencyPolicy.from_dict(policy)


@pytest.mark.unmeasured
@settings(max_examples=500 if LONG else 160)
@given(policy=policies(), data=st.data())
def test_another_meaning_has_another_digest(policy: dict[str, Any], data: st.DataObject) -> None:
    """One part is taken from another policy; the interpreter says whether the whole still means the same."""
    other = data.draw(policies())
    part = data.draw(st.sampled_from(["mode", "min_confidence", "regions", "tenants", "rules", "exceptions"]))
    mixed = {**policy, part: other[part]}
    try:
        digests = {ResidencyPolicy.from_dict(each).digest for each in (policy, mixed)}
    except PolicyError:
        reject()  # a mode without its monitor_until, a home in a group that lost it
    assert (len(digests) == 1) == (interpreter.meaning(policy) == interpreter.meaning(mixed))


MEANS_ANOTHER = [
    ("version", "8"),
    ("mode", "monitor"),
    ("min_confidence", "probed"),
    ("regions/us", ["aws:us-west-2", US]),
    ("tenants/acme", "us-data"),
    ("tenants/*", "eu-only"),
    ("rules/eu-only/store", ["eu", "us"]),
    ("rules/eu-only/access", ["us"]),
    ("rules/eu-only/home", EU_2),
    ("rules/eu-only/telemetry", ["eu"]),
    ("rules/us-data/telemetry", ...),
    ("rules/eu-only/mode", "monitor"),
    ("rules/eu-only/pins_unreachable", "read_pinned"),
    ("pins_unreachable", "read_pinned"),
    ("rules/spare", sound()["rules"]["eu-only"]),
    ("exceptions", []),
    ("exceptions/0/id", "other"),
    ("exceptions/0/rule", "us-data"),
    ("exceptions/0/operations", ["session.get", "session.set"]),
    ("exceptions/0/store", ["us"]),
    ("exceptions/0/access", ["us", "eu"]),
    ("exceptions/0/reason", "another"),
    ("exceptions/0/approved_by", ["one@acme", "three@acme"]),
    ("exceptions/0/expires", "2026-12-01T00:00:01Z"),
]


@pytest.mark.parametrize(("path", "value"), MEANS_ANOTHER, ids=lambda value: str(value)[:30])
def test_every_part_of_the_meaning_is_in_the_digest(path: str, value: Any) -> None:
    changes = changed(path, value)
    if path == "regions/us":
        changes["rules"]["us-data"]["home"] = US
    assert ResidencyPolicy.from_dict(changes).digest != ResidencyPolicy.from_dict(sound()).digest


def test_when_monitoring_ends_is_in_the_digest() -> None:
    ends = (None, "2026-12-01T00:00:00Z", "2026-12-01T00:00:01Z")
    tops = [sound(mode="monitor", **({"monitor_until": end} if end else {})) for end in ends]
    rule = sound()["rules"]["eu-only"]
    rules = [changed("rules/eu-only", {**rule, "mode": "monitor", "monitor_until": end}) for end in ends[1:]]
    assert len({ResidencyPolicy.from_dict(each).digest for each in [*tops, *rules, sound()]}) == 6


def test_a_rule_ends_with_the_policy_unless_it_says_otherwise() -> None:
    policy = {
        **changed("rules/us-data/mode", "enforce"),
        "mode": "monitor",
        "monitor_until": "1970-01-01T00:00:00Z",
    }
    read = ResidencyPolicy.from_dict(policy)
    assert [read.monitor_until, read.rules["eu-only"].monitor_until, read.rules["us-data"].monitor_until] == [
        *(0.0, 0.0, None)
    ]
    alone = ResidencyPolicy.from_dict(changed("rules/eu-only/mode", "monitor"))
    assert (alone.monitor_until, alone.rules["eu-only"].monitor_until) == (None, math.inf)


def test_the_digest_depends_on_content_and_not_on_comments(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "policy.toml").write_text(text)
        return ResidencyPolicy.load(tmp_path / "policy.toml").digest

    assert digest(TOML) == digest(TOML.replace("# the author's own", ""))
    assert digest(TOML) != digest(TOML.replace('version = "7"', 'version = "8"'))
    assert math.log2(16) * len(digest(TOML)) == 256
