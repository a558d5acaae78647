"""Reads dashboards as Grafana does: panels, queries, variables, and what it puts in a variable's place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ALL = "$__all"
_ESCAPED = re.compile(r"[$^*{}\[\]'+?.()|]")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    board: str
    panel: str
    ref: str
    expr: str
    instant: bool
    exemplar: bool

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} [{self.ref}]"


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every panel, those in folded rows too, without the rows themselves."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def targets(board: Mapping[str, Any]) -> Iterator[Target]:
    """Return every query of every panel."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield Target(
                board["title"],
                panel["title"],
                target["refId"],
                target["expr"],
                bool(target["instant"]),
                bool(target["exemplar"]),
            )


def variables(board: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the template variables of a kind by name."""
    return {item["name"]: item for item in board["templating"]["list"] if item["type"] == kind}


def values_of(
    board: Mapping[str, Any],
    chosen: Mapping[str, str | Sequence[str]] | None = None,
    *,
    rate_interval: str = "4s",
    time_range: str = "15s",
) -> dict[str, str]:
    """Return what stands for each variable: what was chosen, else what the dashboard opens with."""
    values = {"__rate_interval": rate_interval, "__range": time_range}
    for name, variable in variables(board, "custom").items():
        values[name] = variable["current"]["value"]
    for name, variable in variables(board, "query").items():
        value = (chosen or {}).get(name, ALL)
        values[name] = variable["allValue"] if value == ALL else _as_regex(value)
    return values


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values in place of `$name`; one that the dashboard does not define is a KeyError."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def _as_regex(value: str | Sequence[str]) -> str:
    """Write chosen values as Grafana's Prometheus data source does for a variable of several values."""
    chosen = [value] if isinstance(value, str) else value
    escaped = [_ESCAPED.sub(r"\\\\\g<0>", item.replace("\\", "\\\\\\\\")) for item in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
