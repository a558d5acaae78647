"""The last row of *Session storage health*: what is written, how large it is, how long sessions grow."""

from __future__ import annotations

from storescope.contract import OPERATIONS as CONTRACT
from storescope.dashboards._board import Row
from storescope.dashboards._measures import QUANTILES
from storescope.dashboards._panels import Spec, lines, query
from storescope.dashboards._queries import quantile, rate, ratio, series, total
from storescope.middleware._definitions import LISTED, OPERATIONS, RECORD_BYTES

_SETS = tuple(name for name, operation in CONTRACT.items() if operation.verb == "set")
_NEEDS_SIZES = "needs metrics(sizes=True)"


def growth() -> Row:
    """How much is added?"""
    listed = rate(series(LISTED, "_bucket"))
    mean_listed = ratio(total(rate(series(LISTED, "_sum"))), total(rate(series(LISTED, "_count"))))
    written = rate(series(RECORD_BYTES, "_sum", operation=_SETS))
    mean_size = ratio(
        total(rate(series(RECORD_BYTES, "_sum")), "operation"),
        total(rate(series(RECORD_BYTES, "_count")), "operation"),
    )
    return Row(
        300,
        "Growth",
        (
            lines(
                Spec(
                    id=301,
                    title="Records set",
                    shows="Records per second that were set, new ones and those replaced, by operation.",
                    when_wrong="It is the bound of how many records are added. Without an end: nothing deletes "
                    "old sessions, which is the owner's task.",
                    unit="wps",
                    width=6,
                ),
                query(total(rate(series(OPERATIONS, operation=_SETS)), "operation"), "", "operation"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=302,
                    title="Bytes set",
                    shows="Bytes of JSON per second that were set, by operation; with `metrics(sizes=True)`.",
                    when_wrong="One kind of record outweighs the rest: tool output that is stored whole, parts "
                    "that are stored anew for each token.",
                    unit="Bps",
                    width=6,
                    empty=_NEEDS_SIZES,
                ),
                query(total(written, "operation"), "", "operation"),
                stacked=True,
            ),
            lines(
                Spec(
                    id=303,
                    title="Mean size of a record",
                    shows="Mean bytes of a record's JSON, by operation; with `metrics(sizes=True)`.",
                    when_wrong="A record that grows with its session belongs into parts: every update writes "
                    "all of it again.",
                    unit="bytes",
                    width=6,
                    empty=_NEEDS_SIZES,
                ),
                query(mean_size, "", "operation"),
            ),
            lines(
                Spec(
                    id=304,
                    title="Length of sessions",
                    shows="How many records one `listBySession` returned: the mean and quantiles.",
                    when_wrong="It only climbs: sessions are never closed or compacted, and every turn reads "
                    "all of theirs.",
                    unit="short",
                    width=6,
                ),
                query(mean_listed, "mean"),
                *(query(quantile(level, listed), name) for level, name in QUANTILES),
            ),
        ),
        folded=True,
    )
