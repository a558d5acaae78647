"""Grafana dashboards over storescope's metrics, generated from the metric definitions and committed as JSON."""

from __future__ import annotations

from pathlib import Path

from storescope.dashboards._objectives import Burn, Objectives
from storescope.dashboards._rules import PROMETHEUS, build_rules, write_rules

GRAFANA = Path(__file__).resolve().parent / "grafana"
"""Where the committed JSON lies, ready to be provisioned or imported."""


def build(objectives: Objectives | None = None) -> dict[str, str]:
    """Generate every dashboard.

    Args:
        objectives: The job and what is expected of it; the defaults if left out, as committed.

    Returns:
        File name -> JSON text, the same on every run.

    Raises:
        MissingExtraError: If the `dashboards` extra is not installed.
    """
    # They need the extra, this package does not.
    from storescope.dashboards import _health, _residency, _traffic  # noqa: PLC0415

    wanted = objectives or Objectives()
    boards = (_traffic.board(wanted), _residency.board(wanted), _health.board(wanted))
    return {board.file_name: board.to_json() for board in boards}


def write(folder: Path | str = GRAFANA, objectives: Objectives | None = None) -> list[Path]:
    """Generate every dashboard into `folder`, by default over the committed ones.

    Args:
        folder: Where the JSON goes; made if it is missing.
        objectives: As for `build`.

    Returns:
        The files that were written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, text in build(objectives).items():
        path = target / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


__all__ = ["GRAFANA", "PROMETHEUS", "Burn", "Objectives", "build", "build_rules", "write", "write_rules"]
