"""Checks dashboards as files, and against a running Prometheus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storescope._extras import require_extra
from storescope.dashboards._errors import DashboardError
from storescope.dashboards._lint import lint
from storescope.dashboards._live import check_board, check_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from storescope.dashboards._findings import Finding
    from storescope.dashboards._live import Span
    from storescope.dashboards._prometheus_api import PrometheusApi
    from storescope.dashboards._read import BoardJson

_FOLDER = Path(__file__).resolve().parent


@dataclass(slots=True)
class Report:
    """What a check looked at and found.

    Attributes:
        boards: How many dashboards.
        rules: How many rules of Prometheus.
        queries: How many queries a Prometheus was asked.
        findings: What is wrong, that which may be so included.
    """

    boards: int = 0
    rules: int = 0
    queries: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        """What may not be so."""
        return [finding for finding in self.findings if finding.excepted is None]

    def take(self, answers: Iterable[Finding | None]) -> None:
        """Count queries, and keep what is wrong with them."""
        for answer in answers:
            self.queries += 1
            if answer is not None:
                self.findings.append(answer)


def check(
    folder: Path | None = None,
    api: PrometheusApi | None = None,
    span: Span | None = None,
    chosen: Mapping[str, str | Sequence[str]] | None = None,
) -> Report:
    """Check every dashboard in a folder, and with a Prometheus the rules, too.

    Args:
        folder: Where they are, in the folder itself, `grafana` and `prometheus`; those that are shipped if None.
        api: The Prometheus that their queries are asked of; None to look at the files alone.
        span: What to look at there.
        chosen: Values of variables there; the others take all.

    Returns:
        What was found.

    Raises:
        DashboardError: If there are no dashboards, one cannot be read, or the Prometheus does not answer.
    """
    report, place = Report(), folder or _FOLDER
    files = _files(place, "grafana", "json")
    if not files:
        raise DashboardError(f"{place}: holds no dashboards, which are files of JSON")
    if api is not None and span is not None:
        api.instant("1", span.end)  # one that does not answer is said once, and not for every query
    for path in files:
        board = read_board(path)
        report.boards += 1
        report.findings += lint(board)
        if api is not None and span is not None:
            report.take(check_board(api, board, span, chosen))
    if api is not None and span is not None:
        for path in _files(place, "prometheus", "yaml"):
            groups = read_rules(path)
            report.rules += sum(len(group["rules"]) for group in groups["groups"])
            report.take(check_rules(api, path.name, groups, span))
    return report


def _files(place: Path, part: str, suffix: str) -> list[Path]:
    return sorted(place.glob(f"*.{suffix}")) + sorted((place / part).glob(f"*.{suffix}"))


def read_board(path: Path) -> BoardJson:
    """Read a dashboard.

    Raises:
        DashboardError: If it is none.
    """
    try:
        board = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DashboardError(f"{path}: cannot be read as JSON: {type(error).__name__}") from None
    if not (isinstance(board, dict) and isinstance(board.get("panels"), list) and board.get("title")):
        raise DashboardError(f"{path}: is no dashboard of Grafana: it needs a title and panels")
    return board


def read_rules(path: Path) -> Mapping[str, Any]:
    """Read a file of rules.

    Raises:
        DashboardError: If it holds none.
    """
    yaml = require_extra("yaml", extra="dashboards")
    try:
        groups = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise DashboardError(f"{path}: cannot be read as YAML: {type(error).__name__}") from None
    if not (isinstance(groups, dict) and isinstance(groups.get("groups"), list)):
        raise DashboardError(f"{path}: holds no groups of rules")
    return groups
