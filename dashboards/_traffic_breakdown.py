"""The lower half of *Storage traffic*: the same numbers by operation, by backend, and what weighs on them."""

from __future__ import annotations

from storescope.dashboards._board import Row
from storescope.dashboards._measures import ERROR_STEPS, QUANTILES, calls, latency, share
from storescope.dashboards._panels import Column, Spec, lines, query, rows
from storescope.dashboards._queries import RANGE, quantile, rate, ratio, series, total
from storescope.middleware._definitions import IN_FLIGHT, LISTED


def by_operation() -> Row:
    """Which operation is it?"""
    columns = [
        Column("Calls", calls("operation", window=RANGE), "ops"),
        Column("Errors", share("error", "operation", window=RANGE), "percentunit", ERROR_STEPS),
        Column("Not found", share("not_found", "operation", window=RANGE), "percentunit"),
        *(Column(name, latency(level, "operation", window=RANGE), "s") for level, name in QUANTILES),
    ]
    return Row(
        400,
        "By operation",
        (
            rows(
                Spec(
                    id=401,
                    title="Operations",
                    shows="Every operation over the whole time range; empty cells had no traffic.",
                    when_wrong="Sort by the column that worries you. `listBySession` is slower than the "
                    "rest by nature: see *Listed records*. Updates that find nothing mean that "
                    "agents and store disagree.",
                    unit="short",
                    width=24,
                    height=12,
                ),
                ("operation",),
                columns,
            ),
        ),
    )


def by_backend() -> Row:
    """Which backend is it?"""
    where = ("backend", "region")
    return Row(
        500,
        "By backend",
        (
            lines(
                Spec(
                    id=501,
                    title="Rate by backend",
                    shows="Calls per second that each backend took, with its region.",
                    when_wrong="Traffic on a backend that should have none: sessions were pinned there, "
                    "see the residency decisions.",
                    unit="ops",
                ),
                query(calls(*where), "", *where),
                stacked=True,
            ),
            lines(
                Spec(
                    id=502,
                    title="Error ratio by backend",
                    shows="The share of each backend's calls whose outcome is `error`.",
                    when_wrong="One backend alone: look at that server. All of one region: the network to it.",
                    unit="percentunit",
                    steps=ERROR_STEPS,
                ),
                query(share("error", *where), "", *where),
            ),
            lines(
                Spec(
                    id=503,
                    title="Latency by backend, p99",
                    shows="99 of 100 calls that a backend answered were at least this fast.",
                    when_wrong="A far region is slower by its distance; a jump without more traffic is the "
                    "server.",
                    unit="s",
                ),
                query(latency(0.99, *where), "", *where, exemplars=True),
            ),
        ),
        folded=True,
    )


def load() -> Row:
    """What weighs on it?"""
    listed = rate(series(LISTED, "_bucket"))
    mean = ratio(total(rate(series(LISTED, "_sum"))), total(rate(series(LISTED, "_count"))))
    return Row(
        600,
        "Load",
        (
            lines(
                Spec(
                    id=601,
                    title="In flight",
                    shows="Calls that have begun and not ended, by operation.",
                    when_wrong="In flight is rate times latency: if it climbs at a steady rate, calls hang.",
                    unit="short",
                    width=12,
                ),
                query(total(series(IN_FLIGHT), "operation"), "", "operation"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=602,
                    title="Listed records",
                    shows="How many records one `listBySession` returned: the mean and quantiles.",
                    when_wrong="It grows with the length of sessions, and latency with it. Have agents "
                    "start new sessions or compact old ones before lists reach thousands.",
                    unit="short",
                    width=12,
                ),
                query(mean, "mean"),
                *(query(quantile(level, listed), name) for level, name in QUANTILES),
            ),
        ),
        folded=True,
    )
