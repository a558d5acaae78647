"""Rules about panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.dashboards._read import panels, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storescope.dashboards._read import BoardJson

# Of Grafana's units (packages/grafana-data/src/valueFormats/categories.ts) those that storage has a use for.
UNITS = frozenset(
    (
        *("none", "string", "short", "percent", "percentunit", "bool", "bool_yes_no", "bool_on_off"),
        *("bytes", "decbytes", "bits", "Bps", "binBps"),
        *("ns", "µs", "ms", "s", "m", "h", "d", "dtdurations", "dtdurationms", "dateTimeAsIso", "dateTimeFromNow"),
        *("cps", "ops", "reqps", "rps", "wps", "iops", "cpm", "opm", "rpm", "wpm"),
    )
)


def _datasource(board: BoardJson) -> Iterator[tuple[str, str]]:
    names = variables(board, "datasource")
    templated = {form.format(name) for name in names for form in ("${}", "${{{}}}")}
    for panel in panels(board):
        uid = (panel.get("datasource") or {}).get("uid")
        if uid not in templated:
            yield panel.get("title", ""), f"takes its data from {uid!r}; it must be a variable: ${{datasource}}"


def _title_and_description(board: BoardJson) -> Iterator[tuple[str, str]]:
    for panel in panels(board):
        if not panel.get("title") or not panel.get("description"):
            yield panel.get("title", ""), f"panel {panel.get('id')} needs a title and a description"


def _units(board: BoardJson) -> Iterator[tuple[str, str]]:
    for panel in panels(board):
        config = panel.get("fieldConfig", {})
        given = [config.get("defaults", {}).get("unit")]
        for override in config.get("overrides", ()):
            given += [each["value"] for each in override["properties"] if each["id"] == "unit"]
        for unit in given:
            if unit not in UNITS:
                yield (
                    panel.get("title", ""),
                    f"has the unit {unit!r}; it must be one of {', '.join(sorted(UNITS))}",
                )


def _no_targets(board: BoardJson) -> Iterator[tuple[str, str]]:
    for panel in panels(board):
        if not panel.get("targets"):
            yield panel.get("title", ""), "has no query"


PANEL_RULES = {
    "panel-datasource-rule": _datasource,
    "panel-title-description-rule": _title_and_description,
    "panel-units-rule": _units,
    "panel-no-targets-rule": _no_targets,
}
