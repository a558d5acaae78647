"""The quick way to read a line takes nothing that the strict way refuses, and tells the same of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storescope import OPERATIONS
from storescope.middleware._audit._json import to_json
from storescope.middleware._audit._record import CALL_FIELDS
from storescope.middleware._audit._verify import _parse as parse
from tests.rounds import LONG, SCALE

BEGIN = b'{"seq":7,"stream":"s","ts":"'
MAC = b',"mac":"' + b"0a" * 32 + b'"}'

text = st.one_of(st.text(max_size=8), st.sampled_from([":", '":', "a,b", " ", "\t", "\\", "é", "\ud800", "null"]))
value = st.one_of(st.none(), text, st.integers(), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2))
phases = st.sampled_from(["intent", "outcome", "gap", "header", "seal"])
operations = st.one_of(st.sampled_from(sorted(OPERATIONS)), text, st.none(), st.integers())
added = st.dictionaries(
    st.one_of(st.sampled_from(["note", "seq", "mac", "actor", "a.b"]), text), value, max_size=3
)


def line_of(pairs: list[tuple[str, Any]]) -> bytes:
    body = ",".join(f"{to_json(name)}:{to_json(item)}" for name, item in pairs)
    return BEGIN + b'2026-11-22T23:36:48.123456Z",' + body.encode() + MAC


def quick(line: bytes) -> int | None:
    """Return what the quick way makes of a line; None if it leaves it to the strict one."""
    if not line.startswith(BEGIN):
        return None
    found = parse.usual(line, len(BEGIN), len(line) - parse.MAC_TEXT_BYTES)
    return (found.lastindex or 0) if found else parse.kind_with_more(line, len(BEGIN))


def compare(line: bytes) -> None:
    told = quick(line)
    if told is not None:
        record = parse.strict(line)
        assert record is not None
        assert (record["seq"], record["stream"], record["mac"]) == (7, "s", "0a" * 32)
        assert record["phase"] in {"intent", "outcome"}
        assert parse.kind_of(record) == told


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    call = {name: draw(value) if draw(st.integers(0, 9)) == 0 else None for name in CALL_FIELDS}
    call["operation"] = draw(operations)
    pairs = [("phase", draw(phases)), *call.items(), *draw(added).items()]
    if draw(st.integers(0, 5)) == 0:
        pairs.append(draw(st.sampled_from(pairs)))
    return line_of(pairs)


@pytest.mark.unmeasured
@settings(max_examples=500 * SCALE if LONG else 160)
@given(line=lines(), at=st.integers(0, 2_000), put=st.binary(max_size=3), cut=st.integers(0, 3))
@example(line=line_of([("phase", "intent"), *dict.fromkeys(CALL_FIELDS).items()]), at=0, put=b"", cut=0)
def test_the_quick_way_takes_nothing_that_the_strict_way_refuses(
    line: bytes, at: int, put: bytes, cut: int
) -> None:
    compare(line)
    at %= len(line)
    compare(line[:at] + put + line[at + cut :])


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("phase", ["intent", "outcome"])
@pytest.mark.parametrize("more", [[], [("note", "x"), ("cost", -1.5), ("ok", True)]])
def test_what_writers_write_all_day_is_taken_quickly(
    phase: str, operation: str, more: list[tuple[str, Any]]
) -> None:
    call: dict[str, Any] = dict.fromkeys(CALL_FIELDS, "a: b, {c} [d]")
    call |= {"operation": operation, "attempt": 1, "duration_us": 12_345}
    line = line_of([("phase", phase), *call.items(), *more])
    writes = parse.WRITE_OUTCOME if OPERATIONS[operation].writes else 0
    assert quick(line) == (parse.INTENT if phase == "intent" else writes)
    compare(line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"phase":"intent"', '"phase":"seal"'),
        ('"attempt":1', '"attempt":01'),
        ('"attempt":1', '"attempt":1.0'),
        ('"attempt":1', '"attempt":"\t"'),
        ('"attempt":1', '"attempt":"\\u0031"'),
        ('"attempt":1', '"attempt": 1'),
        ('"attempt":1', '"attempt":1,"attempt":1'),
        ('"attempt":1', '"attempt":1,"actor":null'),
        ('"span_id":null', '"span_id":null,"span_id":null'),
        ('"span_id":null', '"span_id":null,"x":1,"x":1'),
        ('"span_id":null', '"span_id":null,"mac":1'),
        ('"span_id":null', '"span_id":null,"x":01'),
        ('"span_id":null', '"span_id":null,"x":{"a":1}'),
        ('"span_id":null', '"span_id":null}'),
        ('"actor":null', '"actor":"\x7f"'),
        ('"actor":null', '"actor":"\xe9"'),
    ],
)
def test_what_is_not_so_is_left_to_the_strict_way(old: str, new: str) -> None:
    call: dict[str, Any] = dict.fromkeys(CALL_FIELDS) | {"attempt": 1}
    line = line_of([("phase", "intent"), *call.items()])
    assert quick(line) == parse.INTENT
    changed = line.replace(old.encode(), new.encode("latin-1"))
    assert changed != line
    assert quick(changed) is None


def test_the_strict_way_reads_what_it_takes_as_any_reader_would() -> None:
    line = line_of([("phase", "gap"), *dict.fromkeys(CALL_FIELDS).items(), ("unlogged", 3)])
    assert parse.strict(line) == json.loads(line)
    assert parse.strict(line.replace(b"0a0a", b"0A0A")) is not None  # the MAC itself is compared elsewhere
    assert parse.strict(b"") is None
    assert parse.strict(json.dumps(["seq"]).encode()) is None
