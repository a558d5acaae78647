"""Panels. Here stands, once, what the SDK leaves out: ids, legends, calculations, data source, descriptions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from storescope.dashboards._sdk import (
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storescope.dashboards._queries import Vector

DATA_SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_NEUTRAL = "blue"  # for numbers of which no size is wrong by itself
_LAST = ["lastNotNull"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What every panel has.

    Attributes:
        id: Its number in the dashboard; links and alerts name it, so it stays when panels move.
        title: In a few words.
        shows: What one sees, for the description.
        when_wrong: What to do if it looks wrong, for the description.
        unit: Grafana's name of the unit.
        width: Columns of 24.
        height: Rows of the grid.
        steps: From which value on which colour; below the first it is green. Empty if no value is wrong.
        falling: Whether small values are the bad ones: below the first step it is red.
        empty: What stands there when there is nothing to show.
    """

    id: int
    title: str
    shows: str
    when_wrong: str
    unit: str
    width: int = 8
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    falling: bool = False
    empty: str = "no traffic"

    @property
    def description(self) -> str:
        """The text behind the panel's (i)."""
        return f"{self.shows}\n\n**When it looks wrong:** {self.when_wrong}"


def query(vector: Vector, legend: str, *labels: str, exemplars: bool = False) -> prometheus.Dataquery:
    """Draw an expression over time.

    Args:
        vector: The expression.
        legend: The fixed words of its legend, with `{{label}}` where a label's value goes.
        *labels: The labels whose values come before them.
        exemplars: Whether to ask for the traces behind the numbers, too.
    """
    return prometheus.Dataquery(
        expr=vector.expr,
        legend_format=_legend(vector, legend, labels),
        range_val=True,
        instant=False,
        exemplar=exemplars,
        format_val=prometheus.PromQueryFormat.TIME_SERIES,
    )


def instant(vector: Vector, legend: str, *labels: str) -> prometheus.Dataquery:
    """Ask for an expression once, at the end of the time range."""
    target = query(vector, legend, *labels)
    target.range_val, target.instant = False, True
    return target


def _legend(vector: Vector, legend: str, labels: tuple[str, ...]) -> str:
    vector.require(*labels, *_PLACEHOLDER.findall(legend))
    return " ".join((*(f"{{{{{label}}}}}" for label in labels), *((legend,) if legend else ())))


def lines(spec: Spec, *targets: prometheus.Dataquery, stacked: bool = False) -> dashboard.Panel:
    """Build a graph over time."""
    custom = timeseries.FieldConfig(
        line_width=1,
        fill_opacity=30 if stacked else 8,
        show_points=common.VisibilityMode.AUTO,  # a single sample between two gaps would be invisible
        span_nulls=False,
        stacking=common.StackingConfig(
            mode=common.StackingMode.NORMAL if stacked else common.StackingMode.NONE, group="A"
        ),
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.DASHED if spec.steps else common.GraphThresholdsStyleMode.OFF
        ),
    )
    options = timeseries.Options(
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.TABLE,
            placement=common.LegendPlacement.BOTTOM,
            calcs=["mean", "max", "lastNotNull"],
            sort_by="Max",
            sort_desc=True,
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING),
    )
    panel = _panel("timeseries", spec, targets, options)
    defaults = _defaults(spec, custom)
    defaults.min_val = 0
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
    panel.field_config = dashboard.FieldConfigSource(defaults=defaults)
    return panel


def number(spec: Spec, target: prometheus.Dataquery) -> dashboard.Panel:
    """Build one big number."""
    options = stat.Options(
        reduce_options=common.ReduceDataOptions(values=False, calcs=_LAST, fields=""),
        graph_mode=common.BigValueGraphMode.NONE if target.instant else common.BigValueGraphMode.AREA,
        color_mode=common.BigValueColorMode.VALUE,
    )
    panel = _panel("stat", spec, (target,), options)
    panel.field_config = dashboard.FieldConfigSource(defaults=_defaults(spec))
    return panel


def dial(spec: Spec, target: prometheus.Dataquery) -> dashboard.Panel:
    """Build a gauge of a share, from 0 to 1."""
    options = gauge.Options(
        reduce_options=common.ReduceDataOptions(values=False, calcs=_LAST, fields=""),
        show_threshold_markers=True,
    )
    panel = _panel("gauge", spec, (target,), options)
    defaults = _defaults(spec)
    defaults.min_val, defaults.max_val = 0, 1
    panel.field_config = dashboard.FieldConfigSource(defaults=defaults)
    return panel


def bars(spec: Spec, target: prometheus.Dataquery) -> dashboard.Panel:
    """Build one horizontal bar per series, as of the end of the time range."""
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=common.ReduceDataOptions(values=False, calcs=_LAST, fields=""),
        legend=common.VizLegendOptions(
            show_legend=False,  # each bar carries its own name
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            calcs=[],
        ),
    )
    panel = _panel("bargauge", spec, (target,), options)
    defaults = _defaults(spec)
    defaults.min_val = 0
    panel.field_config = dashboard.FieldConfigSource(defaults=defaults)
    return panel


def heat(spec: Spec, buckets: Vector, *, exemplars: bool = False) -> dashboard.Panel:
    """Build a heatmap of a histogram's buckets over time, with the traces behind them if it has exemplars."""
    buckets.require("le")
    target = query(buckets, "", "le", exemplars=exemplars)
    target.format_val = prometheus.PromQueryFormat.HEATMAP
    options = heatmap.Options(
        y_axis=heatmap.YAxisConfig(unit=spec.unit),
        rows_frame=heatmap.RowsHeatmapOptions(layout=common.HeatmapCellLayout.AUTO),
        cell_values=heatmap.CellValues(unit="ops"),
        tooltip=heatmap.HeatmapTooltip(
            mode=common.TooltipDisplayMode.SINGLE, y_histogram=True, show_color_scale=True
        ),
    )
    panel = _panel("heatmap", spec, (target,), options)
    panel.field_config = dashboard.FieldConfigSource(defaults=_defaults(spec, heatmap.FieldConfig()))
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers in a table: its heading, what it holds, its unit and thresholds, as in `Spec`."""

    title: str
    vector: Vector
    unit: str
    steps: tuple[tuple[float, str], ...] = ()
    falling: bool = False


def rows(spec: Spec, labels: tuple[str, ...], columns: Sequence[Column]) -> dashboard.Panel:
    """Build a table with one row per value of `labels`."""
    targets = [instant(column.vector, column.title, *labels) for column in columns]
    for target in targets:
        target.format_val = prometheus.PromQueryFormat.TABLE
    panel = _panel("table", spec, targets, table.Options(show_header=True))
    panel.transformations = [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=_columns(labels, columns)),
    ]
    panel.field_config = dashboard.FieldConfigSource(
        defaults=_defaults(spec, table.FieldConfig()), overrides=[_override(column) for column in columns]
    )
    return panel


def _columns(labels: tuple[str, ...], columns: Sequence[Column]) -> dict[str, Any]:
    """Name and order the merged columns, which Grafana calls `Value #A` and so on."""
    values = [f"Value #{letter}" for letter in ascii_uppercase[: len(columns)]]
    titles = [column.title for column in columns]
    return {
        "excludeByName": {"Time": True},
        "indexByName": {name: position for position, name in enumerate((*labels, *values))},
        "renameByName": {
            **{label: label.replace("_", " ").capitalize() for label in labels},
            **dict(zip(values, titles, strict=True)),
        },
    }


def _override(column: Column) -> dashboard.DashboardFieldConfigSourceOverrides:
    properties = [dashboard.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.steps:
        cell = {"type": common.TableCellDisplayMode.COLOR_TEXT}
        properties += [
            dashboard.DynamicConfigValue(
                id_val="thresholds", value=_thresholds("red" if column.falling else "green", column.steps)
            ),
            dashboard.DynamicConfigValue(id_val="custom.cellOptions", value=cell),
        ]
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=column.title), properties=properties
    )


def _panel(kind: str, spec: Spec, targets: Sequence[prometheus.Dataquery], options: object) -> dashboard.Panel:
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        target.ref_id = letter
        target.datasource = DATA_SOURCE
        target.editor_mode = prometheus.QueryEditorMode.CODE
    return dashboard.Panel(
        type_val=kind,
        id_val=spec.id,
        title=spec.title,
        description=spec.description,
        datasource=DATA_SOURCE,
        targets=list(targets),
        grid_pos=dashboard.GridPos(h=spec.height, w=spec.width),
        options=options,
    )


def _defaults(spec: Spec, custom: object | None = None) -> dashboard.FieldConfig:
    base = _NEUTRAL if not spec.steps else "red" if spec.falling else "green"
    return dashboard.FieldConfig(
        unit=spec.unit,
        no_value=spec.empty,
        thresholds=_thresholds(base, spec.steps),
        color=dashboard.FieldColor(mode=dashboard.FieldColorModeId.THRESHOLDS),
        custom=custom,
    )


def _thresholds(base: str, steps: tuple[tuple[float, str], ...]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[
            dashboard.Threshold(value=None, color=base),
            *(dashboard.Threshold(value=value, color=color) for value, color in steps),
        ],
    )
