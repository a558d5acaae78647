"""Waterfall and history in a real Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.view.sending import operation, send, span, span_id, trace_id, waterfall

if TYPE_CHECKING:
    from storescope.apps.view import Viewer

pytestmark = pytest.mark.unmeasured


def test_the_waterfall_nests_and_marks(page: Page, viewer: Viewer) -> None:
    waterfall(viewer.url)
    page.goto(f"/trace/{trace_id(1)}")
    rows = page.locator(".row.span")
    expect(rows).to_have_count(6)
    assert [row.get_attribute("aria-level") for row in rows.all()] == ["1", "2", "3", "4", "2", "2"]
    assert page.locator(".row.span .text").all_inner_texts() == [
        *("agent turn", "tool", "part.set", "EVALSHA", "session.get", "part.get")
    ]
    assert page.locator(".row.span .badge").all_inner_texts() == ["attempt 2", "denied", "replayed"]
    assert rows.nth(0).locator(".gap").count() == 4
    assert rows.nth(1).locator(".event").count() == 1
    track, bar = rows.nth(4).locator(".track").bounding_box(), rows.nth(4).locator(".bar").bounding_box()
    assert track is not None
    assert bar is not None
    assert (bar["x"] - track["x"]) / track["width"] == pytest.approx(0.8, abs=0.01)
    assert bar["width"] / track["width"] == pytest.approx(0.1, abs=0.01)


def test_a_span_is_chosen_by_click_and_by_link(page: Page, viewer: Viewer) -> None:
    waterfall(viewer.url)
    page.goto(f"/trace/{trace_id(1)}")
    page.locator(".row.span").nth(4).click()
    aside = page.locator("#details")
    expect(aside).to_contain_text("ResidencyError")
    expect(aside).to_contain_text("denied by no rule: the policy lists no rule for this tenant")
    assert page.url.endswith(f"?span={span_id(5)}")
    page.reload()
    expect(page.locator(".row.span[aria-selected=true] .text")).to_have_text("session.get")
    page.goto(f"/trace/{trace_id(1)}?span={span_id(2)}")
    expect(aside).to_contain_text("began")


def test_keys_walk_and_fold_the_waterfall(page: Page, viewer: Viewer) -> None:
    waterfall(viewer.url)
    page.goto(f"/trace/{trace_id(1)}")
    chosen = page.locator(".row.span[aria-selected=true] .text")
    expect(chosen).to_have_text("agent turn")
    for key in ("j", "ArrowDown", "j"):
        page.keyboard.press(key)
    expect(chosen).to_have_text("EVALSHA")
    page.keyboard.press("ArrowLeft")  # it has nothing to fold: to what is above
    expect(chosen).to_have_text("part.set")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".row.span")).to_have_count(5)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".row.span")).to_have_count(6)
    page.keyboard.press("Home")
    expect(chosen).to_have_text("agent turn")
    page.keyboard.press("End")
    expect(chosen).to_have_text("part.get")
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#rows")).to_be_focused()


def test_a_trace_grows_while_it_is_looked_at(page: Page, viewer: Viewer) -> None:
    page.goto(f"/trace/{trace_id(1)}")
    expect(page.locator("main")).to_contain_text("no such trace")
    waterfall(viewer.url)
    expect(page.locator(".row.span")).to_have_count(6)
    page.locator(".row.span").nth(2).click()
    send(viewer.url, span("late", 7, parent=1, at=95))
    expect(page.locator(".row.span")).to_have_count(7)
    expect(page.locator(".row.span[aria-selected=true] .text")).to_have_text("part.set")


def test_the_history_of_a_session_leads_back_to_its_traces(page: Page, viewer: Viewer) -> None:
    session = "s/1 ü?#%"
    for number in (1, 2):
        send(viewer.url, operation("message.set", trace=number, at=number * 500, gen_ai__conversation__id=session))
    page.goto(f"/trace/{trace_id(2)}")
    page.locator(".facts a").click()
    expect(page.locator("h1")).to_have_text(session)
    expect(page.locator(".history tbody tr")).to_have_count(2)
    expect(page.locator("#sum")).to_have_text("2 operations in 2 traces over 501 ms; no failure")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/trace/{trace_id(1)}?span={span_id(1)}")
