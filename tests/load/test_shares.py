"""The shares that were asked for hold, and whatever counts calls counts the same."""

from __future__ import annotations

import json
from collections import Counter
from math import sqrt
from typing import TYPE_CHECKING

import pytest

from tests.load.loads import Samples, Watching, run_here

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.apps.load import LoadReport


def assert_share(count: int, calls: int, share: float) -> None:
    """Hold a count to five standard deviations of what it should be."""
    assert calls > 20  # on a busy machine too
    assert abs(count - calls * share) <= 5 * sqrt(calls * share * (1 - share)), (count, calls)


@pytest.mark.parametrize(("errors", "denials"), [(0.1, 0.2), (0.5, 0.0), (0.0, 0.5)])
def test_shares_hold(errors: float, denials: float) -> None:
    report = run_here(errors=errors, denials=denials)
    # The call that the audit log refused may have been one of them.
    assert_share(report.injected_errors, report.calls, errors)
    assert_share(report.outcomes["denied"], report.calls, denials)
    assert report.other_errors == 0, report.error_types
    assert report.as_asked


def test_without_shares_nothing_fails_but_the_one_record() -> None:
    report = run_here()
    assert report.outcomes["denied"] == 0
    assert report.error_types == {"AuditError": 1}
    assert report.audit.failures == report.audit.unlogged == 1


@pytest.mark.parametrize(("errors", "denials", "outcome"), [(1.0, 0.0, "error"), (0.0, 1.0, "denied")])
def test_whole_shares_leave_nothing_over(errors: float, denials: float, outcome: str) -> None:
    report = run_here(errors=errors, denials=denials)
    others = sum(count for name, count in report.outcomes.items() if name not in {outcome, "cancelled"})
    assert others == (outcome == "denied")  # the record that cannot be written, in place of a denial
    assert report.p50_ms is None
    assert report.as_asked


def test_report_metrics_and_audit_log_agree(tmp_path: Path) -> None:
    report = run_here(errors=0.05, denials=0.05, keep=tmp_path / "kept")
    assert sum(report.outcomes.values()) == sum(row.calls for row in report.operations) == report.calls
    assert sum(report.decisions.values()) == report.calls
    assert report.outcomes["denied"] <= report.decisions["deny"] <= report.outcomes["denied"] + 1
    assert recorded(tmp_path / "kept" / "audit") == Counter(report.outcomes)
    assert report.audit.verdict == "intact"


def recorded(folder: Path) -> Counter[str]:
    """Count the outcomes in an audit log."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return Counter(record["outcome"] for record in map(json.loads, lines) if record["phase"] == "outcome")


def test_a_second_run_adds_a_stream_to_the_kept_log(tmp_path: Path) -> None:
    reports: list[LoadReport] = [run_here(seconds=0.5, keep=tmp_path / "kept") for _ in range(2)]
    assert [report.audit.verdict for report in reports] == ["intact", "intact"]
    assert "2 streams" in reports[1].audit.summary


def test_the_store_says_where_it_is() -> None:
    report = run_here(backend="memory:?region=aws%3Aus-east-1", denials=0.2)
    assert report.region == "aws:us-east-1"
    assert_share(report.outcomes["denied"], report.calls, 0.2)


def test_metrics_are_served_where_they_were_asked_for() -> None:
    scrapes: list[Samples] = []
    watcher = Watching(lambda url: scrapes.append(Samples(url)) if len(scrapes) < 3 else None)
    run_here(watcher, seconds=0.6)
    assert scrapes[-1].total("agent_storage_operations_total") > 0
