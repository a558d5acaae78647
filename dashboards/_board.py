"""A dashboard: rows of panels laid out on Grafana's grid, variables, and the JSON text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storescope.dashboards._annotations import marks
from storescope.dashboards._panels import DATA_SOURCE
from storescope.dashboards._queries import TARGET_LABELS, VARIABLES, escaped
from storescope.dashboards._sdk import JSONEncoder, dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storescope.dashboards._objectives import Objectives
    from storescope.middleware._definitions import Metric

SCHEMA_VERSION = 42  # the last of the classic schema: loads from Grafana 10 on
COLUMNS = 24
TAG = "storescope"

OBJECTIVE = "$objective"
_SHARES = (0.99, 0.995, 0.999, 0.9995, 0.9999)
_ANY = ".+"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it.

    Attributes:
        id: Its number, from the same series as the panels'.
        title: The heading.
        panels: In reading order; they flow from left to right.
        folded: Whether it starts closed. Grafana does not run the queries of a closed row.
    """

    id: int
    title: str
    panels: tuple[dashboard.Panel, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard.

    Attributes:
        uid: Its stable name in URLs; the file is called after it.
        title: As Grafana lists it.
        description: What it answers.
        rows: From top to bottom.
        metric: The metric that the variables take their values from.
        objectives: The job that they are narrowed to, and what the objective is at first.
        one_backend: Whether it opens with one backend, the first, instead of all.
        objective: Whether a panel needs the objective.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    metric: Metric
    objectives: Objectives
    objective: bool = False
    one_backend: bool = False

    @property
    def file_name(self) -> str:
        """The name that its JSON is committed under."""
        return f"{self.uid.removeprefix('storescope-')}.json"

    def to_json(self) -> str:
        """Return the classic JSON, the same text for the same board."""
        return json.dumps(self._model(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _model(self) -> dashboard.Dashboard:
        variables = [
            data_source(),
            *query_variables(self.metric, escaped(self.objectives.job), one_backend=self.one_backend),
        ]
        if self.objective:
            variables.append(objective(self.objectives.availability))
        return dashboard.Dashboard(
            uid=self.uid,
            title=self.title,
            description=self.description,
            tags=[TAG],
            editable=False,  # what is changed in the browser is lost on the next release; a copy can be edited
            graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
            time=dashboard.DashboardDashboardTime(from_val="now-1h", to="now"),
            refresh="30s",
            schema_version=SCHEMA_VERSION,
            version=1,
            panels=list(lay_out(self.rows)),
            annotations=marks(),
            templating=dashboard.DashboardDashboardTemplating(list_val=variables),
            links=[_siblings()],
        )


def lay_out(rows: tuple[Row, ...]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    """Give every panel its place, and fold the rows that start closed."""
    ids = [identifier for row in rows for identifier in (row.id, *(panel.id_val for panel in row.panels))]
    if len(ids) != len(set(ids)):
        raise ValueError(f"an id is given twice: {ids}")
    y = 0
    for row in rows:
        place = dashboard.GridPos(h=1, w=COLUMNS, x=0, y=y)
        heading = dashboard.RowPanel(collapsed=row.folded, title=row.title, grid_pos=place, id_val=row.id)
        y = _flow(row.panels, y + 1)
        yield heading
        if row.folded:  # Grafana keeps the panels of a closed row inside it, those of an open one beside it
            heading.panels = list(row.panels)
        else:
            yield from row.panels


def _flow(panels: tuple[dashboard.Panel, ...], y: int) -> int:
    """Place panels from left to right, beginning a new line when one is full; return the y below them."""
    x = line_height = 0
    for panel in panels:
        place = panel.grid_pos or dashboard.GridPos()
        if x + place.w > COLUMNS:
            x, y, line_height = 0, y + line_height, 0
        place.x, place.y = x, y
        x, line_height = x + place.w, max(line_height, place.h)
    return y + line_height


def data_source() -> dashboard.VariableModel:
    """Let the viewer choose which Prometheus."""
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE,
        name="datasource",
        label="Data source",
        query="prometheus",
        # Grafana takes the default data source of this kind.
        current=dashboard.VariableOption(selected=False, text="default", value="default"),
        allow_custom_value=False,
    )


def query_variables(metric: Metric, job: str, *, one_backend: bool = False) -> list[dashboard.VariableModel]:
    """Return one variable per label that the metric has, each narrowed by those before it."""
    names = [name for name in VARIABLES if name in TARGET_LABELS or name in metric.labels]
    return [
        _query_variable(
            name,
            label_values(metric, name, job if name == "job" else None, names[:position]),
            everything=job if name == "job" else _ANY,
            all_at_first=not (one_backend and name == "backend"),
        )
        for position, name in enumerate(names)
    ]


def label_values(metric: Metric, label: str, job: str | None, narrowed_by: list[str]) -> str:
    """Ask for every value that a label has."""
    matchers = ", ".join(f'{name}=~"${name}"' for name in narrowed_by)
    if job not in {None, _ANY}:
        matchers = f'job=~"{job}"'
    selector = f"{metric.name}{{{matchers}}}" if matchers else metric.name
    return f"label_values({selector}, {label})"


def _query_variable(name: str, definition: str, *, everything: str, all_at_first: bool) -> dashboard.VariableModel:
    query: dict[str, Any] = {"qryType": 1, "query": definition, "refId": f"variable-{name}"}
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=name.capitalize(),
        datasource=DATA_SOURCE,
        definition=definition,
        query=query,
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC,
        multi=True,
        include_all=all_at_first,
        # Not the list of all values, which would outgrow the URL; Grafana escapes the others for `=~` itself.
        all_value=everything,
        # With nothing selected Grafana takes the first value.
        current=dashboard.VariableOption(
            selected=all_at_first, text=["All"] if all_at_first else [], value=["$__all"] if all_at_first else []
        ),
    )


def objective(availability: float) -> dashboard.VariableModel:
    """Let the viewer choose the share of calls that may not fail."""
    shares = sorted({*_SHARES, availability})
    options = [
        dashboard.VariableOption(selected=share == availability, text=f"{share * 100:.6g} %", value=f"{share:.8g}")
        for share in shares
    ]
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name=OBJECTIVE.removeprefix("$"),
        label="Objective",
        description="The share of storage calls that must not end in an error.",
        query=", ".join(f"{option.text} : {option.value}" for option in options),
        options=options,
        current=next(option for option in options if option.selected),
        allow_custom_value=False,
    )


def _siblings() -> dashboard.DashboardLink:
    """Link to the other dashboards, keeping what is selected."""
    return dashboard.DashboardLink(
        title="storescope",
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        tags=[TAG],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )
