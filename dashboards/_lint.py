"""The 17 rules of grafana/dashboard-linter (as of 4d0844b), on every type of panel.

That linter looks at graphs, stats and gauges alone, for fear of panels that it does not know; ours are known, so
each rule holds for tables, heatmaps and bar gauges too. Each rule takes a dashboard and returns what is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from storescope.dashboards._findings import Finding
from storescope.dashboards._lint_panels import PANEL_RULES
from storescope.dashboards._lint_targets import TARGET_RULES
from storescope.dashboards._lint_variables import VARIABLE_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storescope.dashboards._read import BoardJson

    Rule: TypeAlias = Callable[[BoardJson], Iterator[tuple[str, str]]]

_OVER_THE_RANGE = "it answers once, over the whole time range that the viewer chose, and is not drawn over time"

# Rule, dashboard, panel -> why it may be so.
EXCEPTIONS = {
    ("target-rate-interval-rule", "Storage traffic", "Error budget left"): _OVER_THE_RANGE,
    ("target-rate-interval-rule", "Storage traffic", "Operations"): _OVER_THE_RANGE,
    (
        "target-rate-interval-rule",
        "Session storage health",
        "Operations, by where their time went",
    ): _OVER_THE_RANGE,
}
"""Every place where a rule is broken on purpose."""


def _uneditable(board: BoardJson) -> Iterator[tuple[str, str]]:
    if board.get("editable", True):
        yield "", "can be edited in the browser, where the next release overwrites it; set editable to false"


RULES: dict[str, Rule] = {**VARIABLE_RULES, **PANEL_RULES, **TARGET_RULES, "uneditable-dashboard": _uneditable}
"""Name, as the linter has it -> what looks for it: where, and what is wrong."""


def lint(board: BoardJson) -> list[Finding]:
    """Check one dashboard.

    Args:
        board: Its classic JSON, parsed.

    Returns:
        What is wrong, that which may be so included.
    """
    title = board.get("title", "untitled")
    found = [Finding(name, title, where, text) for name, rule in RULES.items() for where, text in rule(board)]
    return [replace(each, excepted=EXCEPTIONS.get((each.rule, title, each.where))) for each in found]
