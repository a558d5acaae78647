"""Prometheus's rules, generated from the metric definitions that the code itself uses."""

from __future__ import annotations

from pathlib import Path

from storescope.dashboards._objectives import Objectives
from storescope.dashboards._rule import to_yaml
from storescope.dashboards._rules_budget import budget_alerts
from storescope.dashboards._rules_recording import recording
from storescope.dashboards._rules_state import audit_alerts, process_alerts, residency_alerts

PROMETHEUS = Path(__file__).resolve().parent / "prometheus"
"""Where the committed rules lie, ready for `rule_files`."""

RECORDING_FILE, ALERTS_FILE = "storescope-recording.yaml", "storescope-alerts.yaml"
_ALERTS = (budget_alerts, residency_alerts, audit_alerts, process_alerts)


def build_rules(objectives: Objectives | None = None) -> dict[str, str]:
    """Generate the recording and alert rules.

    Args:
        objectives: How good the storage is to be; the default ones if None.

    Returns:
        File name -> YAML text, the same on every run. Prometheus needs both files.

    Raises:
        DashboardError: If an alert could never fire under these objectives.
        MissingExtraError: If the `dashboards` extra is not installed.
    """
    chosen = Objectives() if objectives is None else objectives
    return {
        RECORDING_FILE: to_yaml([recording(chosen)], chosen),
        ALERTS_FILE: to_yaml([make(chosen) for make in _ALERTS], chosen),
    }


def write_rules(folder: Path | str = PROMETHEUS, objectives: Objectives | None = None) -> list[Path]:
    """Generate the rules into `folder`, by default over the committed ones.

    Args:
        folder: Where the YAML goes; made if it is missing.
        objectives: How good the storage is to be; the default ones if None.

    Returns:
        The files that were written.

    Raises:
        DashboardError: If an alert could never fire under these objectives; nothing is written then.
        MissingExtraError: If the `dashboards` extra is not installed.
    """
    texts = build_rules(objectives)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
    return [target / name for name in texts]
