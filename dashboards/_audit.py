"""The lower half of *Residency and audit*: what the audit log counts of itself."""

from __future__ import annotations

from storescope.dashboards._board import Row
from storescope.dashboards._measures import QUANTILES
from storescope.dashboards._panels import Spec, lines, query
from storescope.dashboards._queries import (
    RANGE,
    Vector,
    increase,
    quantile,
    rate,
    ratio,
    scaled,
    series,
    smallest,
    total,
)
from storescope.middleware._definitions import (
    AUDIT_DISK_FREE,
    AUDIT_FAILURES,
    AUDIT_LAST_SEAL,
    AUDIT_RECORDS,
    AUDIT_WAIT,
    OPERATIONS,
    UNAUDITED,
)

_GIBIBYTE = 1 << 30
_WAIT_STEPS = ((0.1, "orange"), (1, "red"))  # a call gives up after a second, unless the log is told otherwise
_FREE_STEPS = ((_GIBIBYTE, "orange"), (10 * _GIBIBYTE, "green"))
_SEAL_STEPS = ((180, "orange"), (300, "red"))


def completeness() -> Vector:
    """The share of the calls in the time range whose end was recorded."""
    lost = ratio(total(increase(series(UNAUDITED))), total(increase(series(OPERATIONS))))
    return scaled(lost, "1 - {}")


def failures() -> Vector:
    """Records that could not be written in the time range."""
    return increase(series(AUDIT_FAILURES), RANGE)


def seal_age(*by: str) -> Vector:
    """How long ago the last seal was written; nothing before the first."""
    return scaled(smallest(scaled(series(AUDIT_LAST_SEAL), "{} > 0"), *by), "time() - {}")


def audit_log() -> Row:
    """Is the record written, fast enough, with room to go on?"""
    waits = rate(series(AUDIT_WAIT, "_bucket"))
    return Row(
        400,
        "Audit log",
        (
            lines(
                Spec(
                    id=401,
                    title="Audit records by phase",
                    shows="Records per second. A write leaves an intent and an outcome, a read an outcome.",
                    when_wrong="`gap` counts what was lost, `recovery` follows a crash, `tamper` a file that "
                    "somebody changed: run `storescope audit verify` at once.",
                    unit="ops",
                ),
                query(total(rate(series(AUDIT_RECORDS)), "phase"), "", "phase"),
            ),
            lines(
                Spec(
                    id=402,
                    title="Audit failures by reason",
                    shows="Records per second that could not be written, by why.",
                    when_wrong="`write`, `sync` and `reserve`: the disk. `timeout`: it is too slow. `queue`: it "
                    "is behind. `open`: folder or key. The runbook has each.",
                    unit="ops",
                    steps=((0.001, "red"),),
                ),
                query(total(rate(series(AUDIT_FAILURES)), "reason"), "", "reason"),
            ),
            lines(
                Spec(
                    id=403,
                    title="Wait for the disk",
                    shows="Quantiles of how long calls waited for their audit record.",
                    when_wrong="It adds to every write. A slow disk wants a folder of its own; `durability` "
                    "says what is waited for.",
                    unit="s",
                    steps=_WAIT_STEPS,
                ),
                *(query(quantile(level, waits), name) for level, name in QUANTILES),
            ),
            lines(
                Spec(
                    id=404,
                    title="Free disk",
                    shows="What is free where the audit log lies.",
                    when_wrong="Below `reserve_bytes` records are refused, and writes with them. Move closed "
                    "segments away, or set `retain_days`.",
                    unit="bytes",
                    steps=_FREE_STEPS,
                    falling=True,
                ),
                query(smallest(series(AUDIT_DISK_FREE), "instance"), "", "instance"),
            ),
            lines(
                Spec(
                    id=405,
                    title="Age of the last seal, by process",
                    shows="How long ago each process sealed its log.",
                    when_wrong="A saw-tooth is right. A line that climbs is a writer that hangs: its disk, or "
                    "the process itself.",
                    unit="s",
                    steps=_SEAL_STEPS,
                    empty="not sealed yet",
                ),
                query(seal_age("instance"), "", "instance"),
            ),
            lines(
                Spec(
                    id=406,
                    title="Calls without an audit record",
                    shows="Calls per second that ended and of which no record says so.",
                    when_wrong="It follows *Audit failures*. Alone it cannot be: report it.",
                    unit="ops",
                    steps=((0.001, "red"),),
                ),
                query(total(rate(series(UNAUDITED)), "operation"), "", "operation"),
            ),
        ),
        folded=True,
    )
