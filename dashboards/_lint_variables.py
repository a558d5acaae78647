"""Rules about template variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from storescope.dashboards._errors import DashboardError
from storescope.dashboards._promql import parse
from storescope.dashboards._read import question, substitute, values_of, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from storescope.dashboards._read import BoardJson

_ON_TIME_RANGE = 2
_NAMES = {"datasource": "Data source", "prometheus_datasource": "Prometheus data source"}


def _datasource(board: BoardJson) -> Iterator[tuple[str, str]]:
    found = variables(board, "datasource")
    if not found:
        yield "", "has no variable for the data source; add one that is called datasource"
    for name, variable in found.items():
        if name not in _NAMES or variable.get("label") != _NAMES[name]:
            yield f"variable {name}", "must be called datasource, and labelled Data source"


def _target_label(label: str) -> Callable[[BoardJson], Iterator[tuple[str, str]]]:
    def rule(board: BoardJson) -> Iterator[tuple[str, str]]:
        variable = variables(board, "query").get(label)
        if variable is None:
            yield "", f"has no variable {label} that is a query"
            return
        wanted = {"label": label.capitalize(), "multi": True, "allValue": _narrowed(variable, label) or ".+"}
        for key, value in wanted.items():
            if variable.get(key) != value:
                yield f"variable {label}", f"its {key} is {variable.get(key)!r}; it must be {value!r}"
        uid = (variable.get("datasource") or {}).get("uid")
        if uid not in {"$datasource", "${datasource}", "$prometheus_datasource", "${prometheus_datasource}"}:
            yield f"variable {label}", f"takes its values from {uid!r}; it must be ${{datasource}}"

    return rule


def _narrowed(variable: Mapping[str, Any], label: str) -> str | None:
    """Return what an export has narrowed a variable to: all its values are those, and not every job's."""
    found = re.search(rf'{label}=~"((?:[^"\\]|\\.)+)"', variable.get("definition", ""))
    return found and found[1]


def _promql(board: BoardJson) -> Iterator[tuple[str, str]]:
    values = values_of(board)
    for name, variable in variables(board, "query").items():
        asked = question(variable)
        if asked is None:
            yield f"variable {name}", "must ask label_values(series, label)"
            continue
        try:
            parse(substitute(asked.selector, values))
        except DashboardError as error:
            yield f"variable {name}", f"asks for series that cannot be parsed: {error}"


def _reload(board: BoardJson) -> Iterator[tuple[str, str]]:
    for name, variable in variables(board, "query").items():
        if variable.get("refresh") != _ON_TIME_RANGE:
            yield f"variable {name}", f"its refresh must be {_ON_TIME_RANGE}, when the time range changes"


VARIABLE_RULES = {
    "template-datasource-rule": _datasource,
    "template-job-rule": _target_label("job"),
    "template-instance-rule": _target_label("instance"),
    "template-label-promql-rule": _promql,
    "template-on-time-change-reload-rule": _reload,
}
