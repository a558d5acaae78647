"""A viewer that runs, for each test its own, and a browser to look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from storescope.apps.view import Options, Viewer
from tests.view.chromium import ARGUMENTS, Watched, program

if TYPE_CHECKING:
    from collections.abc import Generator


PATIENCE = 20_000
"""Milliseconds that a page may take on a busy machine."""
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def viewer() -> Generator[Viewer]:
    with Viewer(0, Options()).start() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """One for a module: while it runs, no test of asyncio may, because its own loop is in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, viewer: Viewer) -> Generator[Page]:
    """A page of the viewer. No script fails on it, nothing breaks its policy, it asks nobody else."""
    context = chromium.new_context(base_url=viewer.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    watched = Watched(context.new_page())
    yield watched.page
    context.close()
    assert watched.problems == []
    assert [url for url in watched.asked if not url.startswith((viewer.url, "blob:", "data:", "file:"))] == []
