"""One trace as one HTML file, for a ticket: without a script, and nothing in it is fetched from anywhere."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

from storescope.apps.view._visible import visible
from storescope.outcome import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NS_PER_MS = 1_000_000
_MOST_INDENT = 24
_FAILURES = frozenset(OUTCOMES) - {"ok"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{digest}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def export(trace: dict[str, Any], style: str) -> str:
    """Make the file.

    Args:
        trace: As `Api.whole_trace` gives it.
        style: The style sheet, ours.

    Returns:
        HTML. Whatever a span holds is text in it, never markup.
    """
    title = trace["root"] or trace["first"] or "trace"
    return _PAGE.format(
        digest=b64encode(sha256(style.encode()).digest()).decode(),
        title=_text(f"{title}: trace {trace['trace_id']}"),
        style=style,
        body="\n".join(_body(trace, title)),
    )


def _body(trace: dict[str, Any], title: str) -> Iterator[str]:
    yield f"<h1>{_text(title)}</h1>"
    facts = {
        "trace": trace["trace_id"],
        "began": _time(trace["start"]),
        "took": _milliseconds(trace["duration"]),
        "spans": f"{trace['spans']:,}",
        "errors": f"{trace['errors']:,}",
        "session": trace["session"],
        "tenant": trace["tenant"],
        "region": trace["region"],
        "service": trace["service"],
    }
    yield _table({name: value for name, value in facts.items() if value}, "facts")
    left_out = trace["spans"] - len(trace["waterfall"]) + trace["dropped"]
    if left_out > 0:
        yield f"<p>{left_out:,} spans are not shown.</p>"
    yield '<h2>Spans</h2><div class="spans">'
    for span in trace["waterfall"]:
        yield from _span(span, trace)
    yield "</div>"
    if trace["audit"]:
        yield "<h2>Audit records</h2>"
        yield from _audit(trace["audit"])
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"<footer>exported from storescope view at {made}</footer>"


def _span(span: dict[str, Any], trace: dict[str, Any]) -> Iterator[str]:
    whole = max(trace["duration"], 1)
    left, width = (100 * ns / whole for ns in (span["start"] - trace["start"], span["duration"]))
    outcome = span["outcome"] or "ok"
    kind = outcome if outcome in _FAILURES else "operation" if span["operation"] else "other"
    mark = f' <b class="{kind}">{_text(outcome)}</b>' if outcome != "ok" else ""
    attempt = span.get("attributes", {}).get("agent_storage.attempt")
    mark += f" <b>attempt {_text(attempt)}</b>" if attempt is not None else ""
    depth = min(span["depth"], _MOST_INDENT)
    # Numbers as attributes of SVG: the policy of the page allows no style in markup.
    yield (
        f'<details><summary><span class="name d{depth}">{_text(span["name"])}{mark}</span>'
        f'<svg class="bar" aria-hidden="true"><rect class="{kind}" x="{left:.3f}%" y="25%" height="50%"'
        f' width="{max(width, 0.2):.3f}%" rx="1"/></svg>'
        f'<span class="took">{_milliseconds(span["duration"])}</span></summary>'
    )
    if span["residency"]:
        yield f"<p>{_text(span['residency']['text'])}</p>"
    about = {
        name: span.get(name) for name in ("span_id", "parent_id", "kind", "status", "status_message", "scope")
    }
    about = {name: value for name, value in about.items() if value}
    yield _table({"began after": _milliseconds(span["start"] - trace["start"]), **about}, "about")
    yield _table(span.get("attributes", {}), "attributes")
    for event in span.get("events", ()):
        when = _milliseconds(event["time"] - trace["start"])
        yield f"<h3>{_text(event['name'])} after {when}</h3>{_table(event['attributes'], 'event')}"
    yield "</details>"


def _audit(records: list[dict[str, Any]]) -> Iterator[str]:
    columns = ("ts", "phase", "operation", "actor", "tenant", "outcome", "decision", "stream", "seq")
    yield "<table><tr>" + "".join(f"<th>{column}</th>" for column in columns) + "</tr>"
    for record in records:
        cells = (_text(record.get(column, "")) for column in columns)
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</table>"


def _table(rows: dict[str, Any], name: str) -> str:
    lines = "".join(_rows(rows.items()))
    return f'<table class="{name}">{lines}</table>' if lines else ""


def _rows(rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    return (f"<tr><th>{_text(key)}</th><td>{_text(value)}</td></tr>" for key, value in rows)


def _text(value: Any) -> str:
    """Return anything as text that is safe between tags and in quotes."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(visible(shown), quote=True)


def _milliseconds(ns: int) -> str:
    return f"{ns / _NS_PER_MS:,.3f} ms"


def _time(ns: int) -> str:
    # The store's longest number lies in the year 2262.
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
