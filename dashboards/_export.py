"""A folder with everything that shows and watches a service, for its own job and objectives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storescope.dashboards._errors import DashboardError

if TYPE_CHECKING:
    from storescope.dashboards._objectives import Objectives

_HERE = Path(__file__).resolve().parent
_COPIED = ("provisioning", "compose")


def export(folder: Path, objectives: Objectives) -> list[Path]:
    """Write the dashboards to `grafana/`, the rules to `prometheus/`, and what provisions both beside them.

    Args:
        folder: Where; made if it is missing. What is there under the same names is replaced.
        objectives: The job that the processes are scraped under, and what is expected of them.

    Returns:
        The files that were written.

    Raises:
        DashboardError: If they cannot be written.
        MissingExtraError: If the `dashboards` extra is not installed.
    """
    texts = _generated(objectives) | _copied()  # all made before anything is written
    written: list[Path] = []
    for name, text in sorted(texts.items()):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        except OSError as error:
            raise DashboardError(f"{path}: cannot be written: {error.strerror}") from None
        written.append(path)
    return written


def _generated(objectives: Objectives) -> dict[str, bytes]:
    from storescope.dashboards import build, build_rules  # noqa: PLC0415 (they need the extra)

    boards = {f"grafana/{name}": text.encode() for name, text in build(objectives).items()}
    return boards | {f"prometheus/{name}": text.encode() for name, text in build_rules(objectives).items()}


def _copied() -> dict[str, bytes]:
    files = (path for part in _COPIED for path in (_HERE / part).rglob("*") if path.is_file())
    return {str(path.relative_to(_HERE)): path.read_bytes() for path in files}
