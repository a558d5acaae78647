"""What counts as plain JSON: what a shipped backend would take, no more and no less."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescope import InvalidRecordError
from storescope.backends._codec import encode
from storescope.conformance._json import not_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates()
KEYS = st.text() | st.integers() | st.none()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8)
RECORDS = st.dictionaries(st.text(), VALUES, max_size=3)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


def itself() -> Any:
    record: dict[str, Any] = {"a": [1, 2]}
    record["a"] += [record, record]
    return record


@given(RECORDS)
def test_it_agrees_with_the_shipped_backends(record: Any) -> None:
    try:
        encode(record)
    except InvalidRecordError:
        assert not_json(record)
    else:
        assert not_json(record) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "it holds a NaN or an infinity"),
        (float("-inf"), "it holds a NaN or an infinity"),
        (Decimal("1.5"), "it holds a Decimal"),
        (date(2026, 1, 1), "it holds a date"),
        (UUID(int=0), "it holds a UUID"),
        ((1, 2), "it holds a tuple"),
        ({1}, "it holds a set"),
        (b"secret", "it holds a bytes"),
        (Enum("Colour", "RED"), "it holds a EnumType"),
        (10**4300, "it holds an integer of more than 4,300 digits"),
        ({None: 1}, "it has a key that is not a string"),
        (nested(200), "it is nested more than 200 deep"),
        (itself(), "it is nested more than 200 deep"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_says_what_kind_of_thing_it_found(value: Any, says: str) -> None:
    assert not_json({"a": [{"b": value}]}) == says


@pytest.mark.parametrize("record", [{}, nested(200), {"a": 10**4300 - 1}, {"\0": "\ud800"}, {"a": -0.0}], ids=type)
def test_what_the_shipped_backends_promise_to_keep_is_fine(record: Any) -> None:
    assert not_json(record) is None
