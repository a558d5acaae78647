"""What each panel shows: its queries' answers, named and put in shape; the scripts only draw."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from storescope.dashboards._live import ask
from storescope.dashboards._prometheus_api import is_finite
from storescope.dashboards._read import annotation_targets, substitute, targets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storescope.dashboards._live import Span
    from storescope.dashboards._prometheus_api import PrometheusApi, Series
    from storescope.dashboards._read import BoardJson

_LABEL = re.compile(r"\{\{(\w+)\}\}")
_MOST_EXEMPLARS = 200  # of one query: a dot for each call would be a carpet


def drawn(
    board: BoardJson, api: PrometheusApi, span: Span, chosen: Mapping[str, str | Sequence[str]] | None
) -> dict[str, Any]:
    """Return all that the scripts draw.

    Raises:
        DashboardError: If the Prometheus does not answer, or refuses a query.
    """
    values = span.values(board, chosen)
    return {
        "start": span.start,
        "end": span.end,
        "step": span.step,
        "annotations": list(_marks(board, api, span, values)),
        "rows": [
            {**row, "panels": [_panel(board, panel, api, span, values) for panel in row["panels"]]}
            for row in _rows(board)
        ],
    }


def _rows(board: BoardJson) -> list[dict[str, Any]]:
    """Return the rows with the panels under each, folded or not: Grafana opens a row with a click."""
    rows: list[dict[str, Any]] = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows.append({"title": panel["title"], "panels": list(panel.get("panels", ()))})
        else:
            rows[-1]["panels"].append(panel)
    return rows


def _marks(
    board: BoardJson, api: PrometheusApi, span: Span, values: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Return where an annotation begins to hold."""
    colors = {f"annotation {item['name']}": item["iconColor"] for item in board["annotations"]["list"]}
    for annotation in annotation_targets(board):
        for series in ask(api, annotation, span, values):
            points = [(0.0, 0.0), *series.points]
            for (_, before), (at, now) in pairwise(points):
                if now > 0 and before <= 0:
                    text = (
                        f"{annotation.panel.removeprefix('annotation ')} {' '.join(series.labels.values())[:40]}"
                    )
                    yield {"at": at, "text": text, "color": colors[annotation.panel]}


def _panel(
    board: BoardJson, panel: Mapping[str, Any], api: PrometheusApi, span: Span, values: Mapping[str, str]
) -> dict[str, Any]:
    answers = [(target, ask(api, target, span, values)) for target in targets_of(board, panel)]
    shown = {
        key: panel[key] for key in ("id", "title", "description", "type", "gridPos", "fieldConfig", "options")
    }
    if panel["type"] == "table":
        return shown | {"table": _table(panel, [series for _, series in answers])}
    if panel["type"] == "heatmap":
        return shown | {"heatmap": _heatmap(answers[0][1], span)}
    legends = [target["legendFormat"] for target in panel["targets"]]
    series = [
        {"name": _legend(legend, each), "points": _finite(each)}
        for legend, (_, answer) in zip(legends, answers, strict=True)
        for each in answer
    ]
    asked = [target for target, _ in answers if target.exemplar]
    exemplars = [each for target in asked for each in _exemplars(api, substitute(target.expr, values), span)]
    return shown | {"series": [each for each in series if each["points"]], "exemplars": exemplars}


def _finite(series: Series) -> list[tuple[float, float]]:
    return [(at, value) for at, value in series.points if is_finite(value)]


def _legend(legend: str, series: Series) -> str:
    return _LABEL.sub(lambda match: series.labels.get(match[1], ""), legend).strip()


def _exemplars(api: PrometheusApi, expr: str, span: Span) -> list[dict[str, Any]]:
    found = list(api.exemplars(expr, span.start, span.end))
    few = found[:: max(1, len(found) // _MOST_EXEMPLARS)]
    return [{"at": at, "value": value, "trace": labels.get("trace_id", "")} for at, value, labels in few]


def _table(panel: Mapping[str, Any], answers: list[list[Series]]) -> dict[str, Any]:
    """Merge and name the columns as the panel's transformations say."""
    organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
    order, names = organize["indexByName"], organize["renameByName"]
    labels = [name for name in sorted(order, key=order.__getitem__) if not name.startswith("Value #")]
    merged: dict[tuple[str, ...], list[float | None]] = {}
    for position, answer in enumerate(answers):
        for series in answer:
            key = tuple(series.labels.get(label, "") for label in labels)
            value = series.points[-1][1]
            merged.setdefault(key, [None] * len(answers))[position] = value if is_finite(value) else None
    heads = [names[label] for label in labels], [names[f"Value #{t['refId']}"] for t in panel["targets"]]
    return {
        "labels": heads[0],
        "columns": heads[1],
        "rows": [[list(key), row] for key, row in sorted(merged.items())],
    }


def _heatmap(buckets: list[Series], span: Span) -> dict[str, Any]:
    """Turn cumulated buckets, as Prometheus counts, into cells: time, bucket, how many in that one alone."""
    ordered = sorted(buckets, key=lambda series: float(series.labels["le"]))
    cells: list[list[float]] = []
    below: dict[float, float] = {}
    bounds: list[float | None] = []
    for series in ordered:
        bound, counts = float(series.labels["le"]), dict(_finite(series))
        for at, count in counts.items():
            alone = count - below.get(at, 0.0)
            if alone > 0:
                cells.append([at, len(bounds), alone])
        below = counts
        bounds.append(bound if is_finite(bound) else None)
    return {"bounds": bounds, "cells": cells, "step": span.step}
