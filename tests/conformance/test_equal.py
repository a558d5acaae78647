"""The comparison under every case: it must see what `==` does not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescope.conformance._equal import difference, short

SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, 0.5]) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


def strict(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # writes 1, 1.0, true, 0.0 and -0.0 apart


@given(JSON, JSON)
def test_it_agrees_with_json_text(left: Any, right: Any) -> None:
    assert (difference(left, right) is None) == (strict(left) == strict(right))


@given(JSON)
def test_a_copy_is_equal(value: Any) -> None:
    assert difference(value, copy.deepcopy(value)) is None


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        (1, 1.0, "expected 1 (int), got 1.0 (float)"),
        (1, True, "expected 1 (int), got True"),
        (0.0, -0.0, "expected 0.0 (float), got -0.0 (float)"),
        (None, {}, "expected None, got {} (dict)"),
        ({"a": 1}, {}, "at ['a'] expected 1 (int), got no such field"),
        ({}, {"a": 1}, "at ['a'] expected no such field, got 1 (int)"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "at ['a'][1]['b'] expected 2 (int), got 3 (int)"),
        ([1, 2], [1], "expected [1, 2] (list), got [1] (list)"),
        ([1], (1,), "expected [1] (list), got (1,) (tuple)"),
        ([1], [2], "at [0] expected 1 (int), got 2 (int)"),
    ],
)
def test_it_says_where_and_what(expected: Any, got: Any, words: str) -> None:
    assert difference(expected, got) == words


def test_nan_is_itself() -> None:
    assert difference([float("nan")], [float("nan")]) is None
    assert difference(float("nan"), 1.0) is not None


def test_deep_records_do_not_overflow_the_stack() -> None:
    one: Any = 1
    other: Any = 2
    for _ in range(5000):
        one, other = [one], [other]
    assert difference(one, one) is None
    assert difference(one, other) == f"at ...{'[0]' * 6} expected 1 (int), got 2 (int)"


@pytest.mark.parametrize(
    "value", ["x" * 1000, 10**5000, [[["y" * 500] * 100] * 100], {"a\nb": "c\n" * 99}], ids=type
)
def test_what_is_shown_is_one_short_line(value: Any) -> None:
    assert len(short(value)) < 300
    assert "\n" not in short(value)
