"""The shipped rules, as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from storescope.dashboards import build_rules

if TYPE_CHECKING:
    from storescope.dashboards import Objectives


def alerts(objectives: Objectives | None = None) -> list[dict[str, Any]]:
    """Return every alert rule."""
    files = map(yaml.safe_load, build_rules(objectives).values())
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule]
