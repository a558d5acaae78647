"""Grafana dashboards over storescope's metrics, generated from the metric definitions and committed as JSON."""

from __future__ import annotations

from pathlib import Path

from storescope.dashboards._objectives import Burn, Objectives
from storescope.dashboards._rules import PROMETHEUS, build_rules, write_rules

GRAFANA = Path(__file__).resolve().parent / "grafana"
"""Where the committed JSON lies, ready to be provisioned or imported."""


def build() -> dict[str, str]:
    """Generate every dashboard.

    Returns:
        File name -> JSON text, the same on every run.

    Raises:
        MissingExtraError: If the `dashboards` extra is not installed.
    """
    from storescope.dashboards import _traffic  # noqa: PLC0415 (it needs the extra, this package does not)

    return {board.file_name: board.to_json() for board in (_traffic.board(),)}


def write(folder: Path | str = GRAFANA) -> list[Path]:
    """Generate every dashboard into `folder`, by default over the committed ones.

    Args:
        folder: Where the JSON goes; made if it is missing.

    Returns:
        The files that were written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, text in build().items():
        path = target / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


__all__ = ["GRAFANA", "PROMETHEUS", "Burn", "Objectives", "build", "build_rules", "write", "write_rules"]
