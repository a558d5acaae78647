"""The waterfall holds every span once, each below its parent, whatever the parents say."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storescope.apps.view._tree import waterfall


def one(number: int, parent: int | str = "", start: int = 0, duration: int = 10) -> dict[str, Any]:
    return {"span_id": str(number), "parent_id": str(parent), "start": start, "duration": duration}


SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 100), st.integers(0, 50)), max_size=10).map(
    lambda drawn: sorted(
        (one(number, parent, start, duration) for number, (parent, start, duration) in enumerate(drawn)),
        key=lambda span: span["start"],
    )
)


@given(spans=SPANS)
def test_every_span_is_there_once_with_a_depth_that_fits(spans: list[dict[str, Any]]) -> None:
    """Parents are drawn at random: missing ones, itself, rings."""
    before = [span["span_id"] for span in spans]
    ordered = waterfall(spans)
    assert sorted(span["span_id"] for span in ordered) == sorted(before)
    above: list[str] = []
    for span in ordered:
        assert span["depth"] <= len(above)
        del above[span["depth"] :]
        if span["depth"]:
            assert above[-1] == span["parent_id"]
        above.append(span["span_id"])
        assert 0 <= span["own"] <= span["duration"]
        assert sum(ns for _, ns in span["gaps"]) <= span["own"]
    counted = sum(span["children"] for span in ordered)
    assert counted == sum(1 for span in ordered if span["depth"])


def test_siblings_stand_in_order_of_time_each_with_what_is_below() -> None:
    spans = [one(1, start=0, duration=100), one(3, 1, 10, 20), one(4, 3, 12, 5), one(2, 1, 50, 20)]
    ordered = waterfall(spans)
    assert [(span["span_id"], span["depth"]) for span in ordered] == [("1", 0), ("3", 1), ("4", 2), ("2", 1)]
    assert ordered[0]["gaps"] == [(0, 10), (30, 20), (70, 30)]
    assert ordered[0]["own"] == 60
    assert ordered[2]["gaps"] == []


def test_children_that_overlap_and_outlive_their_parent_leave_no_gap() -> None:
    spans = [one(1, start=0, duration=50), one(2, 1, 0, 30), one(3, 1, 10, 100)]
    assert waterfall(spans)[0]["own"] == 0


def test_a_parent_that_is_not_here_is_said() -> None:
    (found,) = waterfall([one(1, parent=99)])
    assert (found["orphan"], found["depth"]) == (True, 0)


def test_a_trace_as_deep_as_it_is_long_is_no_recursion() -> None:
    spans = [one(number, number - 1 if number else "", number) for number in range(5_000)]
    assert waterfall(spans)[-1]["depth"] == 4_999
