"""Charts and the audit log's state in a real Chromium."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, expect
from prometheus_client import CollectorRegistry, start_http_server

from storescope import wrap
from storescope.apps.view import Options, Viewer, _metrics_poll
from storescope.backends import open_backend
from storescope.middleware import AuditLog, audit, metrics
from storescope.middleware._audit._keys import generate
from tests.view.chromium import Watched

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.unmeasured


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
        expect(page.locator("#audit-state")).to_have_text("audit: intact")
        page.locator("#audit-state").click()
        expect(page.locator("#audit-panel")).to_contain_text("self-consistent, not anchored")
        page.get_by_role("link", name="Charts").click()
        expect(page.locator(".operations tbody tr")).to_have_count(2)
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
