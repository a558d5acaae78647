"""A trace as one file: all of it, nothing fetched, and text that stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from storescope.apps.view import Bounds
from storescope.apps.view._api import Api
from storescope.apps.view._export import export
from storescope.apps.view._sources import Options, Sources
from storescope.apps.view._span import Span
from storescope.apps.view._visible import visible
from tests.view.sending import get, operation, send, span, span_id, trace_id

if TYPE_CHECKING:
    from storescope.apps.view import Viewer

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)>" onload="x\' </style></svg> &lt;'
OURS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "h3",
    "p",
    "div",
    "table",
    "tr",
    "th",
    "td",
} | {*("details", "summary", "span", "svg", "rect", "b", "footer")}


class Seen(HTMLParser):
    """Gathers what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(page: str) -> Seen:
    found = Seen()
    found.feed(page)
    return found


def exported(*spans: Span, bounds: Bounds | None = None) -> str:
    with Sources(Options(bounds=bounds)) as sources:
        sources.store.add(spans).result()
        return export(Api(sources).whole_trace(spans[0].trace_id), "body { color: red }")


def test_all_of_a_trace_is_in_it(viewer: Viewer) -> None:
    send(
        viewer.url,
        span("agent turn", 1, ms=100),
        operation("part.set", 2, parent=1, outcome="denied", events=(("retry", 3),), agent_storage__attempt=2),
    )
    answer = get(viewer.url, f"/trace/{trace_id(1)}/export")
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="trace-0000000000000000.html"'
    text = seen(answer.body.decode()).text
    for wanted in (
        "agent turn",
        "part.set",
        "denied",
        "attempt 2",
        "retry",
        "db.system.name",
        "redis",
        trace_id(1),
    ):
        assert wanted in text


def test_hostile_text_stays_text() -> None:
    page = exported(
        Span(
            trace_id(1),
            span_id(1),
            "",
            HOSTILE,
            1,
            1,
            status="error",
            status_message=HOSTILE,
            service=HOSTILE,
            scope=HOSTILE,
            attributes={HOSTILE: HOSTILE, "agent_storage.outcome": HOSTILE, "list": [HOSTILE]},
            events=[{"name": HOSTILE, "time": 1, "attributes": {HOSTILE: HOSTILE}}],
        )
    )
    found = seen(page)
    assert found.tags <= OURS
    assert not [name for name in found.attributes if name.startswith("on") or name in {"src", "href", "style"}]
    assert found.text.count("alert(1)") >= 8
    assert "default-src 'none'" in page


@given(text=st.text(max_size=30))
def test_any_text_stays_text(text: str) -> None:
    found = seen(exported(Span(trace_id(1), span_id(1), "", text, 1, 1, attributes={"key": text})))
    assert found.tags <= OURS
    assert visible(text).strip().split() == [] or visible(text).split()[0] in found.text


def test_nothing_is_fetched(viewer: Viewer) -> None:
    send(viewer.url, span("work", url__full="https://example.org/x"))
    page = get(viewer.url, f"/trace/{trace_id(1)}/export").body.decode()
    assert not re.search(r"<(script|link|img|iframe)", page)
    assert not re.search(r"url\(|@import", page)


def test_any_time_is_shown() -> None:
    assert "2116-02-20" in exported(Span(trace_id(1), span_id(1), "", "work", 2**62, 1))
    assert "2262-04-11" in exported(Span(trace_id(1), span_id(1), "", "work", 2**63 - 1, 0))


def test_what_is_left_out_is_said() -> None:
    spans = [Span(trace_id(1), span_id(number), "", "work", number, 1) for number in range(1, 31)]
    assert "<p>21 spans are not shown.</p>" in exported(*spans, bounds=Bounds(spans=10))


def test_a_trace_that_is_not_there_is_404(viewer: Viewer) -> None:
    assert get(viewer.url, f"/trace/{trace_id(5)}/export").status == 404


def test_hidden_characters_are_spelled_out() -> None:
    assert visible("a\u202eb\x00\x1bc\td\ne") == "a⟨U+202E⟩b⟨U+0000⟩⟨U+001B⟩c\td\ne"
