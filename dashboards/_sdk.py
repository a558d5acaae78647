"""The one place that imports Grafana's SDK, so that only generating needs the `dashboards` extra."""

from __future__ import annotations

import warnings

from storescope._extras import require_extra

with warnings.catch_warnings():
    # The SDK deprecates the classic schema on import. It is meant here: it loads from Grafana 10 on, its
    # successor from 12.
    warnings.filterwarnings("ignore", "Prefer using", DeprecationWarning)
    require_extra("grafana_foundation_sdk.models.dashboard", extra="dashboards")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import (
        bargauge,
        common,
        dashboard,
        gauge,
        heatmap,
        prometheus,
        stat,
        table,
        timeseries,
    )

__all__ = [
    "JSONEncoder",
    "bargauge",
    "common",
    "dashboard",
    "gauge",
    "heatmap",
    "prometheus",
    "stat",
    "table",
    "timeseries",
]
