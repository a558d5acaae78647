"""One dashboard as one HTML file: what a Prometheus answered, and the scripts that draw it. It fetches nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from storescope.apps.preview._panels import drawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storescope.dashboards._live import Span
    from storescope.dashboards._prometheus_api import PrometheusApi
    from storescope.dashboards._read import BoardJson

_OWN = Path(__file__).parent / "static"
_UPLOT = Path(__file__).parents[1] / "view" / "static"  # the library that Grafana draws its graphs with
_EXPORT = "export default uPlot;"
_SCRIPTS = ("units.js", "graph.js", "heatmap.js", "figures.js", "page.js")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{style_hash}'; \
script-src '{script_hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} (preview, not Grafana)</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p class="label">preview, not Grafana</p><p class="when">{when}</p></header>
<main></main>
<script type="application/json" id="dashboard">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def page(
    board: BoardJson, api: PrometheusApi, span: Span, chosen: Mapping[str, str | Sequence[str]] | None = None
) -> str:
    """Ask a Prometheus what Grafana would, and return the page that draws the answers.

    Args:
        board: The dashboard.
        api: The Prometheus.
        span: What to look at.
        chosen: Values of variables; the others take all.

    Returns:
        HTML. What labels hold is text in it, never markup.

    Raises:
        DashboardError: If the Prometheus does not answer, or refuses a query.
    """
    style = (_UPLOT / "uplot.min.css").read_text() + (_OWN / "preview.css").read_text()
    uplot = (_UPLOT / "uplot.min.js").read_text().replace(_EXPORT, "")
    script = "\n".join([uplot, *((_OWN / name).read_text() for name in _SCRIPTS)])
    data = json.dumps(drawn(board, api, span, chosen), allow_nan=False).replace("<", "\\u003c")
    return _PAGE.format(
        title=escape(board["title"]),
        when=f"{_clock(span.start)} to {_clock(span.end)} UTC",
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=data,
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
