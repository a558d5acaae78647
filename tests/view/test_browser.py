"""The page in a real Chromium: what a person sees, does with keys, and what hostile text must not do."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from prometheus_client import CollectorRegistry, start_http_server

from storescope import wrap
from storescope.apps.view import Options, Viewer, _metrics_poll
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit, metrics
from storescope.middleware._audit._keys import generate
from tests.view.chromium import ARGUMENTS, program
from tests.view.sending import operation, send, span, span_id, trace_id

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOSTILE = "<img src=x onerror='document.title=\"owned\"'><script>document.title='owned'</script>\u202egnp.\x1b[31m"
SHOWN = (
    "<img src=x onerror='document.title=\"owned\"'><script>document.title='owned'</script>⟨U+202E⟩gnp.⟨U+001B⟩[31m"
)


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A page, and whatever went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _note(self, kind: str, text: str) -> None:
        # A missing trace is answered 404, which the browser also says.
        if kind in {"error", "warning"} and "404 (Not Found)" not in text:
            self.problems.append(text)


@pytest.fixture
def page(chromium: Browser, viewer: Viewer) -> Generator[Page]:
    """A page of the viewer. No script fails on it, nothing breaks its policy, it asks nobody else."""
    context = chromium.new_context(base_url=viewer.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    watched = Watched(context.new_page())
    yield watched.page
    context.close()
    assert watched.problems == []
    assert [url for url in watched.asked if not url.startswith((viewer.url, "blob:", "data:", "file:"))] == []


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


@pytest.mark.parametrize(
    ("field", "text", "query", "left"),
    [
        ("q", "needle", "q=needle", ["message.set"]),
        ("session", "s/1", "session=s%2F1", ["message.set"]),
        ("operation", "part.set", "operation=part.set", ["agent turn"]),
        ("tenant", "globex", "tenant=globex", ["agent turn"]),
        ("min_ms", "100", "min_ms=100", ["agent turn"]),
        ("backend", "nobody", "backend=nobody", []),
    ],
)
def test_a_filter_narrows_the_list_and_stands_in_the_address(
    page: Page, viewer: Viewer, field: str, text: str, query: str, left: list[str]
) -> None:
    three_traces(viewer.url)
    page.goto("/")
    expect(page.locator("tr[data-trace]")).to_have_count(3)
    page.locator(f"[name={field}]").fill(text)
    expect(page.locator("tr[data-trace]")).to_have_count(len(left))
    assert roots(page) == left
    assert page.url == f"{viewer.url}/?{query}"
    page.reload()
    expect(page.locator("tr[data-trace]")).to_have_count(len(left))
    assert page.locator(f"[name={field}]").input_value() == text
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tr[data-trace]")).to_have_count(3)
    assert page.url == f"{viewer.url}/"


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


def waterfall(url: str) -> None:
    send(
        url,
        span("agent turn", 1, ms=100),
        span("tool", 2, parent=1, at=10, ms=40, events=(("began", 5),)),
        operation("part.set", 3, parent=2, at=12, ms=10, agent_storage__attempt=2, gen_ai__conversation__id="s1"),
        span("EVALSHA", 4, parent=3, at=13, ms=5),
        operation(
            "session.get",
            5,
            parent=1,
            at=80,
            ms=10,
            outcome="denied",
            error__type="ResidencyError",
            agent_storage__residency__decision="deny",
            agent_storage__residency__code="tenant_unlisted",
        ),
        operation("part.get", 6, parent=1, at=92, agent_storage__replayed=True),
    )


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


def test_charts_and_the_audit_log(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metrics_poll, "_EVERY_SECONDS", 0.1)
    registry = CollectorRegistry()
    server, thread = start_http_server(0, "127.0.0.1", registry)
    (tmp_path / "audit").mkdir()
    public, secret = generate(tmp_path / "auditor")
    options = Options(
        audit=tmp_path / "audit", audit_key=secret, metrics=f"http://127.0.0.1:{server.server_port}/metrics"
    )
    with Viewer(0, options).start() as viewer:
        _in_a_thread(_traffic(registry, tmp_path / "audit", public))
        watched = Watched(chromium.new_page(base_url=viewer.url))
        page = watched.page
        page.goto("/")
        expect(page.locator("#audit-state")).to_have_text("audit: intact", timeout=20_000)
        page.locator("#audit-state").click()
        expect(page.locator("#audit-panel")).to_contain_text("self-consistent, not anchored")
        page.get_by_role("link", name="Charts").click()
        expect(page.locator(".operations tbody tr")).to_have_count(2, timeout=20_000)
        expect(page.locator(".u-over")).to_have_count(5)
        page.keyboard.press("j")
        expect(page.locator("tr.chosen button")).to_have_text("session.set")
        assert page.url.endswith("/charts?operation=session.set")
        page.set_viewport_size({"width": 360, "height": 700})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(300)
        page.close()
        assert watched.problems == []
    server.shutdown()
    thread.join()
    server.server_close()


async def _traffic(registry: CollectorRegistry, folder: Path, public: Path) -> None:
    async with open_backend("memory:") as backend, AuditLog.open(folder, auditor=public) as log:
        handlers = wrap(backend, metrics(registry=registry), audit(log))
        for _ in range(20):
            await handlers["session.set"](id="s1", value={})


def _in_a_thread(work: Any) -> None:
    """Playwright's own loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()
