"""What is stored comes back equal, and what is not JSON is refused."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storescope import InvalidRecordError
from storescope.backends._codec import MAX_DEPTH, decode, decode_name, encode, encode_name, merge

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone and paired surrogates included
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=20)
RECORDS = st.dictionaries(ANY_TEXT, VALUES, max_size=6)


def exactly(value: Any) -> str:
    """Tell apart what `==` does not: 1, 1.0 and True, 0.0 and -0.0."""
    return repr(value)


@given(RECORDS)
@example({"a": "\ud83d\ude00", "b": "\U0001f600", "c": "\\ud83d"})
@example({"a": "\ud83d\\ude00", "n": "\0"})
@example({"a": 2**64, "b": -(2**63) - 1, "c": 10**4300 - 1, "d": -(10**4300) + 1})
@example({"a": [1, 1.0, True, 0.0, -0.0, [], {}, None, ""]})
def test_what_is_encoded_comes_back_the_same(record: dict[str, Any]) -> None:
    text = encode(record)
    assert exactly(decode(text)) == exactly(record)
    assert b"\n" not in text
    json.loads(text.decode())  # valid JSON and UTF-8, whichever path it took


@pytest.mark.unmeasured
@given(RECORDS, RECORDS, RECORDS)
def test_merge_is_a_shallow_merge(record: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    text, merged = merge(encode(record), encode(first), encode(second))
    assert exactly(merged) == exactly({**record, **first, **second})
    assert exactly(decode(text)) == exactly(merged)


@given(ANY_TEXT)
def test_field_names_come_back(name: str) -> None:
    assert decode_name(encode_name(name)) == name
    assert b"\xff" not in encode_name(name)


def test_decoded_records_share_nothing() -> None:
    text = encode({"a": [1]})
    decode(text)["a"].append(2)
    assert decode(text) == {"a": [1]}


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Sly(dict[str, Any]):
    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return False


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
CANARY = "canary-7d1f"

NOT_JSON = [
    math.nan,
    math.inf,
    -math.inf,
    (1, 2),
    {1, 2},
    b"bytes",
    datetime(2026, 1, 1, tzinfo=UTC),
    uuid.UUID(int=1),
    Decimal(1),
    Color.RED,
    Point(1),
    1j,
    {1: "integer key"},
    {None: "no key"},
    10**4300,
    -(10**4300),
    CYCLE,
    object(),
]


@pytest.mark.parametrize("value", NOT_JSON, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("beside", [0, 2**70, "\ud800"], ids=["fast", "big", "surrogate"])
def test_what_is_not_json_is_refused(value: Any, beside: Any) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        encode({"beside": beside, "field": [value, CANARY], CANARY: 1})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_value_that_would_not_come_back_equal_is_refused() -> None:
    with pytest.raises(InvalidRecordError, match="come back equal"):
        encode({"a": [Sly()]})


def nested(levels: int, innermost: Any) -> dict[str, Any]:
    value = innermost
    for _ in range(levels - 1):
        value = [value]
    return {"deep": value}


@pytest.mark.parametrize("innermost", [1, 2**70], ids=["fast", "slow"])
def test_both_paths_allow_the_same_depth(innermost: int) -> None:
    assert MAX_DEPTH >= 201  # 200 levels in a record
    record = nested(MAX_DEPTH, innermost)
    assert decode(encode(record)) == record
    for levels in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidRecordError, match="too deep"):
            encode(nested(levels, innermost))
