"""The list in a real Chromium: filters, keys, live."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.view.sending import operation, send, span, trace_id

if TYPE_CHECKING:
    from storescope.apps.view import Viewer

pytestmark = pytest.mark.unmeasured


def three_traces(url: str) -> None:
    send(
        url,
        span("agent turn", 1, ms=200),
        operation("part.set", 2, parent=1, at=10, ms=20, agent_storage__tenant="acme"),
    )
    send(
        url,
        span("agent turn", 1, trace=2, at=1_000, ms=50),
        operation("session.get", 2, trace=2, parent=1, at=1_010, outcome="denied", agent_storage__tenant="globex"),
    )
    send(url, operation("message.set", trace=3, at=2_000, ms=5, gen_ai__conversation__id="s/1", note="Needle"))


def roots(page: Page) -> list[str]:
    return page.locator("tr[data-trace] a.whole").all_inner_texts()


def test_the_list_shows_the_newest_first(page: Page, viewer: Viewer) -> None:
    three_traces(viewer.url)
    page.goto("/")
    expect(page.locator("tr[data-trace]")).to_have_count(3)
    assert roots(page) == ["message.set", "agent turn", "agent turn"]
    assert re.sub(r"\s+", " ", page.locator("tr[data-trace]").nth(1).inner_text()).endswith("50.0 ms 2 1 globex ")
    expect(page.locator("#counts")).to_have_text("5 spans in 3 traces")


def test_new_traces_show_up_by_themselves_until_it_is_paused(page: Page, viewer: Viewer) -> None:
    page.goto("/")
    expect(page.locator(".empty h2")).to_have_text("Waiting for the first trace")
    expect(page.locator(".empty pre")).to_contain_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={viewer.url}")
    send(viewer.url, span("one"))
    expect(page.locator("tr[data-trace]")).to_have_count(1)
    page.keyboard.press("p")
    expect(page.locator("#live")).to_have_text("Paused")
    send(viewer.url, span("two", trace=2))
    page.wait_for_timeout(2_600)
    expect(page.locator("tr[data-trace]")).to_have_count(1)
    page.locator("#live").click()
    expect(page.locator("tr[data-trace]")).to_have_count(2)


FILTERS = [
    ("q", "needle", "q=needle", ["message.set"]),
    ("session", "s/1", "session=s%2F1", ["message.set"]),
    ("operation", "part.set", "operation=part.set", ["agent turn"]),
    ("tenant", "globex", "tenant=globex", ["agent turn"]),
    ("min_ms", "100", "min_ms=100", ["agent turn"]),
    ("backend", "nobody", "backend=nobody", []),
]


def test_a_filter_narrows_the_list_and_stands_in_the_address(page: Page, viewer: Viewer) -> None:
    """One after the other on one page: a new page for each would take seconds."""
    three_traces(viewer.url)
    page.goto("/")
    rows = page.locator("tr[data-trace]")
    for field, text, query, left in FILTERS:
        expect(rows).to_have_count(3)
        page.locator(f"[name={field}]").fill(text)
        expect(rows).to_have_count(len(left))
        assert roots(page) == left
        expect(page).to_have_url(f"{viewer.url}/?{query}")
        page.reload()
        expect(rows).to_have_count(len(left))
        expect(page.locator(f"[name={field}]")).to_have_value(text)
        page.get_by_role("button", name="Clear").click()
        expect(rows).to_have_count(3)
        expect(page).to_have_url(f"{viewer.url}/")


def test_an_outcome_is_chosen_and_a_wrong_filter_says_why(page: Page, viewer: Viewer) -> None:
    three_traces(viewer.url)
    page.goto("/")
    page.locator("[name=outcome]").select_option("denied")
    expect(page.locator("tr[data-trace]")).to_have_count(1)
    page.goto("/?tenant=acme")
    page.locator("[name=tenant]").fill("")
    expect(page.locator("tr[data-trace]")).to_have_count(3)


def test_keys_lead_through_the_list_and_into_a_trace_and_back(page: Page, viewer: Viewer) -> None:
    three_traces(viewer.url)
    page.goto("/")
    expect(page.locator("tr[data-trace]")).to_have_count(3)
    for key in ("j", "j", "ArrowDown", "k"):
        page.keyboard.press(key)
    expect(page.locator("tr.chosen")).to_have_attribute("data-trace", trace_id(2))
    page.keyboard.press("/")
    page.keyboard.type("j")
    assert page.locator("[name=q]").input_value() == "j"
    page.locator("[name=q]").fill("")
    page.keyboard.press("Escape")
    expect(page.locator("tr[data-trace]")).to_have_count(3)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/trace/{trace_id(2)}*")
    expect(page.locator(".row.span")).to_have_count(2)
    page.keyboard.press("Escape")
    page.wait_for_url(f"{viewer.url}/")


def test_older_traces_stay_while_new_ones_come_in(page: Page, viewer: Viewer) -> None:
    send(viewer.url, *(span("work", trace=number, at=number) for number in range(1, 231)))
    page.goto("/")
    rows = page.locator("tr[data-trace]")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Older traces").click()
    expect(rows).to_have_count(200)
    send(viewer.url, *(span("new", trace=number, at=number) for number in range(301, 306)))
    expect(rows).to_have_count(205)
    page.get_by_role("button", name="Older traces").click()
    expect(rows).to_have_count(235)
    expect(page.get_by_role("button", name="Older traces")).to_have_count(0)
    ids = [row.get_attribute("data-trace") for row in rows.all()]
    assert ids == [trace_id(number) for number in (*range(305, 300, -1), *range(230, 0, -1))]


def test_the_way_back_leads_to_the_filtered_list(page: Page, viewer: Viewer) -> None:
    three_traces(viewer.url)
    page.goto("/?tenant=acme")
    page.locator("a.whole").click()
    expect(page.locator(".row.span")).to_have_count(2)
    page.keyboard.press("Escape")
    page.wait_for_url(f"{viewer.url}/?tenant=acme")
