"""Debian's Chromium, as tests start it: without a sandbox, because they run as root, and silent to the world."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.servers import ServerMissingError

if TYPE_CHECKING:
    from playwright.sync_api import Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROGRAM = shutil.which("chromium") or ""


def program() -> str:
    """Return where it is."""
    if not PROGRAM:
        raise ServerMissingError("chromium is not installed; apt-get install chromium")
    return PROGRAM


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
