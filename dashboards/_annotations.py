"""What happened to the service itself, drawn over every graph: a new version, a new policy."""

from __future__ import annotations

from storescope.dashboards._panels import DATA_SOURCE
from storescope.dashboards._queries import INTERVAL, Vector, series
from storescope.dashboards._sdk import dashboard, prometheus
from storescope.middleware._definitions import BUILD_INFO, POLICY_INFO

_GAP = "5m"  # a process that was not scraped for a while is no new one


def marks() -> dashboard.AnnotationContainer:
    """Return the annotations of every dashboard."""
    return dashboard.AnnotationContainer(
        list_val=[
            _annotation("Deploy", _new(series(BUILD_INFO), "version"), "storescope {{version}}", "blue"),
            _annotation("Policy change", _new(series(POLICY_INFO), "version", "digest"), "{{version}}", "purple"),
        ]
    )


def _new(info: Vector, *by: str) -> Vector:
    """Return 1 while a set of labels is there that was not before, else 0: Grafana marks what is above 0.

    Without the zeros nothing would tell an uneventful day from a query that selects nothing.
    """
    info.require(*by)
    now = f"count by ({', '.join(by)}) ({info.expr})"
    before = f"count by ({', '.join(by)}) (last_over_time({info.expr}[{_GAP}] offset {INTERVAL}))"
    return Vector(f"({now} unless {before}) > bool 0 or 0 * {now}", frozenset(by))


def _annotation(name: str, vector: Vector, text: str, color: str) -> dashboard.AnnotationQuery:
    return dashboard.AnnotationQuery(
        name=name,
        datasource=DATA_SOURCE,
        enable=True,
        icon_color=color,
        expr=vector.expr,
        title_format=name,
        text_format=text,
        target=prometheus.Dataquery(
            expr=vector.expr, ref_id="Anno", range_val=True, instant=False, legend_format=text
        ),
    )
