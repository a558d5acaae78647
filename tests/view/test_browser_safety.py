"""What hostile text must not do in a real Chromium, and what everybody must be able to: narrow, dark, unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.view.sending import operation, send, span_id, trace_id, waterfall

if TYPE_CHECKING:
    from pathlib import Path

    from storescope.apps.view import Viewer

pytestmark = pytest.mark.unmeasured


HOSTILE = "<img src=x onerror='document.title=\"owned\"'><script>document.title='owned'</script>\u202egnp.\x1b[31m"
SHOWN = (
    "<img src=x onerror='document.title=\"owned\"'><script>document.title='owned'</script>⟨U+202E⟩gnp.⟨U+001B⟩[31m"
)


def test_hostile_text_is_text_on_every_page(page: Page, viewer: Viewer, tmp_path: Path) -> None:
    said: dict[str, Any] = dict.fromkeys(
        ("agent_storage__tenant", "gen_ai__conversation__id", "agent_storage__backend__region", "x"), HOSTILE
    )
    one = operation(HOSTILE, events=((HOSTILE, 1),), **said, agent_storage__residency__decision=HOSTILE)
    one["attributes"].append({"key": HOSTILE, "value": {"stringValue": HOSTILE}})
    one["status"] = {"code": 2, "message": HOSTILE}
    send(viewer.url, one, service=HOSTILE, scope=HOSTILE)
    page.goto("/")
    expect(page.locator("a.whole")).to_have_text(SHOWN)
    page.locator("a.whole").click()
    expect(page.locator("h1")).to_have_text(SHOWN)
    expect(page.locator("#details .pairs dd", has_text=SHOWN).first).to_be_visible()
    page.locator(".facts a").click()
    expect(page.locator(".history a.whole")).to_have_text(SHOWN)
    assert page.locator("main img, main script").count() == 0
    page.goto(f"/trace/{trace_id(1)}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as HTML").click()
    file = tmp_path / "export.html"
    download.value.save_as(file)
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_have_text(SHOWN)
    assert page.locator("img, script").count() == 0
    assert page.title().startswith("<img")
    assert page.evaluate("document.styleSheets.length") == 1
    page.locator("summary").click()
    expect(page.locator(".attributes")).to_be_visible()


def test_no_page_scrolls_sideways_on_a_narrow_screen(page: Page, viewer: Viewer, tmp_path: Path) -> None:
    waterfall(viewer.url)
    long = "x" * 300
    send(
        viewer.url,
        operation(long, trace=2, gen_ai__conversation__id=long, agent_storage__tenant=long, a=long),
        service=long,
    )
    page.set_viewport_size({"width": 360, "height": 700})
    for path in (
        "/",
        f"/trace/{trace_id(1)}",
        f"/trace/{trace_id(2)}?span={span_id(1)}",
        f"/session/{long}",
        "/?q=zz",
    ):
        page.goto(path)
        page.wait_for_selector("tbody tr, .row.span, .empty")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    with page.expect_download() as download:
        page.goto(f"/trace/{trace_id(2)}")
        page.get_by_role("link", name="Export as HTML").click()
    download.value.save_as(tmp_path / "export.html")
    page.goto((tmp_path / "export.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_narrow_screen_filters_and_details_unfold(page: Page, viewer: Viewer) -> None:
    waterfall(viewer.url)
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto("/")
    expect(page.locator("[name=tenant]")).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("[name=tenant]")).to_be_visible()
    page.goto(f"/trace/{trace_id(1)}")
    expect(page.locator(".row.span")).to_have_count(6)
    expect(page.locator("#details")).to_be_hidden()
    page.locator(".row.span").nth(2).click()
    expect(page.locator("#details h2")).to_have_text("part.set")
    page.get_by_role("button", name="Close", exact=True).last.click()
    expect(page.locator("#details")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(page: Page, viewer: Viewer, scheme: Any) -> None:
    """WCAG asks for 4.5 to 1."""
    waterfall(viewer.url)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/trace/{trace_id(1)}")
    expect(page.locator(".row.span")).to_have_count(6)
    ratios: dict[str, float] = page.evaluate(_CONTRAST)
    assert ratios
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


_CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const light = (name) => {
        canvas.fillStyle = style.getPropertyValue(name).trim();
        const parts = [1, 3, 5].map((at) => parseInt(canvas.fillStyle.slice(at, at + 2), 16) / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const found = {};
    for (const text of ["--text", "--muted", "--link", "--error", "--denied", "--warn", "--good"])
        for (const ground of ["--page", "--surface", "--raised", "--chosen"]) {
            const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
            found[`${text} on ${ground}`] = (high + 0.05) / (low + 0.05);
        }
    return found;
}"""


def test_everything_has_a_name_for_those_who_do_not_see_it(page: Page, viewer: Viewer) -> None:
    waterfall(viewer.url)
    for path in ("/", f"/trace/{trace_id(1)}"):
        page.goto(path)
        page.wait_for_selector("tbody tr, .row.span")
        assert page.locator("h1").count() == 1
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input, select")].filter((one) =>
            one.checkVisibility() && !one.textContent.trim() && !one.getAttribute("aria-label") &&
            !one.labels?.length).length"""
        )
        assert unnamed == 0
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()
