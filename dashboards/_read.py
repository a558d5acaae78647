"""Reads dashboards as Grafana does: panels, queries, variables, and what it puts in a variable's place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from storescope.dashboards._errors import DashboardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BoardJson: TypeAlias = "Mapping[str, Any]"
"""A dashboard's classic JSON, parsed."""

ALL = "$__all"
_ESCAPED = re.compile(r"[$^*{}\[\]'+?.()|]")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Target:
    """One query.

    Attributes:
        board: The dashboard's title.
        panel: The panel's title, or what else asks, such as `annotation Deploy`.
        ref: Its letter in the panel.
        expr: The query, with variables.
        instant: Whether it is asked once, at the end of the time range.
        exemplar: Whether it asks for exemplars, too.
    """

    board: str
    panel: str
    ref: str
    expr: str
    instant: bool = False
    exemplar: bool = False

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} [{self.ref}]"


@dataclass(frozen=True, slots=True)
class Question:
    """What a variable asks: every value of a label in the series selected."""

    selector: str
    label: str


def panels(board: BoardJson) -> Iterator[dict[str, Any]]:
    """Return every panel, those in folded rows too, without the rows themselves."""
    for panel in board.get("panels", ()):
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


def targets(board: BoardJson) -> Iterator[Target]:
    """Return every query of every panel."""
    for panel in panels(board):
        yield from targets_of(board, panel)


def targets_of(board: BoardJson, panel: Mapping[str, Any]) -> Iterator[Target]:
    """Return every query of one panel."""
    for target in panel.get("targets", ()):
        yield Target(
            board["title"],
            panel.get("title", ""),
            target.get("refId", ""),
            target.get("expr", ""),
            bool(target.get("instant")),
            bool(target.get("exemplar")),
        )


def annotation_targets(board: BoardJson) -> Iterator[Target]:
    """Return the query of every annotation; Grafana's own, of alerts and notes, have none."""
    for annotation in board.get("annotations", {}).get("list", ()):
        if annotation.get("expr"):
            yield Target(board["title"], f"annotation {annotation['name']}", "A", annotation["expr"])


def variables(board: BoardJson, kind: str) -> dict[str, dict[str, Any]]:
    """Return the template variables of a kind by name."""
    return {item["name"]: item for item in board.get("templating", {}).get("list", ()) if item["type"] == kind}


def question(variable: Mapping[str, Any]) -> Question | None:
    """Return what a variable asks; None if it is not in the form `label_values(series, label)`."""
    found = _LABEL_VALUES.fullmatch(variable.get("definition", ""))
    return found and Question(found["selector"], found["label"])


def values_of(
    board: BoardJson,
    chosen: Mapping[str, str | Sequence[str]] | None = None,
    *,
    rate_interval: str = "4s",
    time_range: str = "15s",
) -> dict[str, str]:
    """Return what stands for each variable: what was chosen, else what the dashboard opens with.

    Args:
        board: The dashboard.
        chosen: Variable -> its value, or several; the others take all of theirs.
        rate_interval: What Grafana would put for `$__rate_interval`, as PromQL writes a duration.
        time_range: The same for `$__range`.
    """
    values = {"__rate_interval": rate_interval, "__range": time_range}
    for name, variable in variables(board, "custom").items():
        values[name] = variable["current"]["value"]
    for name, variable in variables(board, "query").items():
        value = (chosen or {}).get(name, ALL)
        values[name] = variable["allValue"] if value == ALL else as_regex(value)
    return values


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values in place of `$name`.

    Raises:
        DashboardError: If the dashboard does not define one.
    """
    unknown = sorted({name for name in _VARIABLE.findall(text) if name not in values})
    if unknown:
        raise DashboardError(f"no variable ${unknown[0]} is defined; there are {', '.join(sorted(values))}")
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def as_regex(value: str | Sequence[str]) -> str:
    """Write chosen values as Grafana's Prometheus data source does for a variable of several values."""
    chosen = [value] if isinstance(value, str) else value
    escaped = [_ESCAPED.sub(r"\\\\\g<0>", item.replace("\\", "\\\\\\\\")) for item in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
