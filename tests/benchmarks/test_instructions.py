"""A call that executes more than the kept count allows fails the benchmark. Nothing is counted here."""

from __future__ import annotations

import json
from typing import Any

from benchmarks._counted import COUNTED, LONG, SHORT, per_call
from benchmarks.instructions import KEPT, compare

HERE = {"python": "3.11.7", "compiler": "GCC 12", "processor": "x86_64", "load": "0.1"}
COUNTS = dict.fromkeys(COUNTED, 100_000.0)


def kept(**machine: str) -> dict[str, Any]:
    return {"raw": {"instructions": {name: [count] for name, count in COUNTS.items()}}, "machine": HERE | machine}


def test_the_same_counts_hold_and_nothing_is_said() -> None:
    result = compare(COUNTS, kept(load="7.3"), HERE)
    assert all(row.holds for row in result.rows)
    assert result.notes == []


def test_a_growth_of_more_than_a_tenth_fails_and_says_how_to_accept_it() -> None:
    result = compare(COUNTS | {"metrics": 110_001.0, "audit": 110_000.0}, kept(), HERE)
    assert [row.name for row in result.rows if not row.holds] == ["metrics"]
    grown, accept = result.notes
    assert grown == "metrics has grown from 100,000"
    assert accept.endswith(": cp benchmarks/results/instructions.json benchmarks/instructions.json")


def test_a_stack_that_takes_more_than_a_tenth_over_the_inlined_function_fails() -> None:
    """Though neither has grown: the kept counts may be accepted, the limit may not."""
    far = {"raw": {"instructions": {name: [200_000.0] for name in COUNTED}}, "machine": HERE}
    result = compare(COUNTS | {"full stack, sampled": 111_000.0}, far, HERE)
    assert [row.name for row in result.rows if not row.holds] == ["full stack over inlined, sampled"]


def test_another_interpreter_than_the_kept_counts_is_named() -> None:
    result = compare(COUNTS, kept(python="3.12.1"), HERE)
    assert result.notes == [
        "the kept counts are of python 3.12.1, here it is 3.11.7: they may differ for that alone"
    ]


def test_what_is_new_or_gone_is_named() -> None:
    old = kept()
    old["raw"]["instructions"]["cache"] = old["raw"]["instructions"].pop("audit")
    notes = compare(COUNTS, old, HERE).notes
    assert notes[:2] == ["audit is not among the kept counts", "cache is kept and was not counted"]


def test_what_the_marks_cost_falls_out() -> None:
    parts = [7_000_000]
    for at in range(len(COUNTED)):
        parts += [SHORT * 1_000 * (at + 1) + 333, LONG * 1_000 * (at + 1) + 333, 55]
    assert list(per_call(parts).values()) == [1_000.0 * (at + 1) for at in range(len(COUNTED))]


def test_the_kept_counts_are_of_what_is_counted() -> None:
    assert list(json.loads(KEPT.read_text())["raw"]["instructions"]) == list(COUNTED)
