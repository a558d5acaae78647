"""The *Storage traffic* dashboard: how much, how well and how fast an agent's storage works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._board import OBJECTIVE, Board, Row
from storescope.dashboards._measures import (
    BUDGET_STEPS,
    CANCELLED_STEPS,
    DENIED_STEPS,
    ERROR_STEPS,
    QUANTILES,
    calls,
    latency,
    latency_steps,
    share,
)
from storescope.dashboards._panels import Spec, bars, heat, instant, lines, number, query
from storescope.dashboards._queries import RANGE, budget_left, increase, rate, series, top, total, whole
from storescope.dashboards._traffic_breakdown import by_backend, by_operation, load
from storescope.middleware._definitions import DURATION, ERRORS, IN_FLIGHT, OPERATIONS

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives


def board(objectives: Objectives) -> Board:
    """Build it."""
    return Board(
        uid="storescope-storage-traffic",
        title="Storage traffic",
        description="Rate, errors and latency of the storage calls that agents make, by operation and by backend.",
        rows=(overview(objectives), slow(objectives), failing(), by_operation(), by_backend(), load()),
        metric=OPERATIONS,
        objectives=objectives,
        objective=True,
    )


def overview(objectives: Objectives) -> Row:
    """Is it working now?"""
    return Row(
        100,
        "Overview",
        (
            number(
                Spec(
                    id=101,
                    title="Calls",
                    shows="Storage calls per second that ended, whatever their outcome.",
                    when_wrong="At zero while agents run, look at *In flight*: calls that begin and never "
                    "end point to a hanging store. Nothing in either: is the process scraped "
                    "(`up`), is `metrics()` in `wrap`?",
                    unit="ops",
                    width=4,
                    height=4,
                ),
                query(calls(), "calls"),
            ),
            number(
                Spec(
                    id=102,
                    title="Error ratio",
                    shows="The share of calls whose outcome is `error`. Missing records, denials and "
                    "cancellations are no errors.",
                    when_wrong="*Top error types* names the fault, *By backend* says where it is.",
                    unit="percentunit",
                    width=4,
                    height=4,
                    steps=ERROR_STEPS,
                ),
                query(share("error"), "errors"),
            ),
            number(
                Spec(
                    id=103,
                    title="Latency, p99",
                    shows="99 of 100 calls that the store answered were at least this fast.",
                    when_wrong="Compare with p50 under *Latency*: if both rose, the store or the network "
                    "is slow for all; if only p99 did, look at single traces.",
                    unit="s",
                    width=4,
                    height=4,
                    steps=latency_steps(objectives),
                ),
                query(latency(0.99), "p99"),
            ),
            number(
                Spec(
                    id=104,
                    title="In flight now",
                    shows="Calls that have begun and not ended.",
                    when_wrong="A steady climb is a store that no longer answers: add `timeout()`, check "
                    "its connections.",
                    unit="short",
                    width=4,
                    height=4,
                ),
                query(total(series(IN_FLIGHT)), "in flight"),
            ),
            number(
                Spec(
                    id=105,
                    title="Denied",
                    shows="Calls per second that the region guard or the tenant check refused.",
                    when_wrong="The residency decisions carry code and rule of each denial. After a policy "
                    "change, compare the two policies with `storescope residency diff`.",
                    unit="ops",
                    width=4,
                    height=4,
                    steps=DENIED_STEPS,
                ),
                query(calls(outcome="denied"), "denied"),
            ),
            number(
                Spec(
                    id=106,
                    title="Error budget left",
                    shows="The unspent share of the errors that the objective allows, over the chosen time "
                    "range. Below zero the objective is broken. Choose a range as long as your "
                    "objective's period.",
                    when_wrong="Stop risky releases, and find what spends it under *Failures*.",
                    unit="percentunit",
                    width=4,
                    height=4,
                    steps=BUDGET_STEPS,
                    falling=True,
                ),
                instant(budget_left(share("error", window=RANGE), OBJECTIVE), "left"),
            ),
            lines(
                Spec(
                    id=107,
                    title="Rate by operation",
                    shows="Calls per second of each operation.",
                    when_wrong="A `get` that multiplies is a loop in the agent; `set` without `get` is an "
                    "agent that never resumes; all at once falling to zero is a process that "
                    "stopped.",
                    unit="ops",
                    width=12,
                ),
                query(calls("operation"), "", "operation"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=108,
                    title="Error ratio by operation",
                    shows="The share of each operation's calls whose outcome is `error`; a gap where there "
                    "were none.",
                    when_wrong="One operation alone: its handler or its table. All alike: the store.",
                    unit="percentunit",
                    width=12,
                    steps=ERROR_STEPS,
                ),
                query(share("error", "operation"), "", "operation"),
            ),
        ),
    )


def slow(objectives: Objectives) -> Row:
    """How fast is it?"""
    return Row(
        200,
        "Latency",
        (
            lines(
                Spec(
                    id=201,
                    title="Latency",
                    shows="Quantiles of how long calls took that the store answered; the dots are sampled calls.",
                    when_wrong="Click a dot near the top to open its trace: the driver's span below says "
                    "whether the time went to the store or was lost before it.",
                    unit="s",
                    width=12,
                    height=9,
                    steps=latency_steps(objectives),
                ),
                *(query(latency(level), name, exemplars=True) for level, name in QUANTILES),
            ),
            heat(
                Spec(
                    id=202,
                    title="Latency, all calls",
                    shows="How many calls took how long. Two bands are two kinds of call, cached and not "
                    "for example; a quantile hides that.",
                    when_wrong="A new band far up is a part of the traffic that waits for something: "
                    "choose one operation or backend after the other above until it stands "
                    "alone.",
                    unit="s",
                    width=12,
                    height=9,
                ),
                total(rate(series(DURATION, "_bucket")), "le"),
                exemplars=True,
            ),
        ),
    )


def failing() -> Row:
    """What goes wrong?"""
    return Row(
        300,
        "Failures",
        (
            bars(
                Spec(
                    id=301,
                    title="Top error types",
                    shows="What calls raised most often in the time range, by the error's class or the "
                    "driver's code; missing records and denials, too. The first one of a new kind does "
                    "not show: Prometheus sees no growth in a series that begins at 1.",
                    when_wrong="`StorageTimeoutError` is a slow or dead store; a driver's code stands in "
                    "the driver's manual; a class of your own comes from your handler.",
                    unit="short",
                ),
                instant(top(10, whole(total(increase(series(ERRORS)), "error_type"))), "", "error_type"),
            ),
            lines(
                Spec(
                    id=302,
                    title="Cancelled ratio",
                    shows="The share of calls that the caller gave up. It spends no error budget.",
                    when_wrong="Rising together with latency: callers lose patience, treat it as slowness. "
                    "Alone: users stop their agents, or a worker is being shut down.",
                    unit="percentunit",
                    steps=CANCELLED_STEPS,
                ),
                query(share("cancelled"), "cancelled"),
            ),
            lines(
                Spec(
                    id=303,
                    title="Denied by operation",
                    shows="Calls per second that the region guard or the tenant check refused.",
                    when_wrong="From one backend: its declared region is wrong or not allowed. From all: "
                    "the policy or the caller's region changed.",
                    unit="ops",
                    steps=DENIED_STEPS,
                ),
                query(calls("operation", outcome="denied"), "", "operation"),
            ),
        ),
    )
