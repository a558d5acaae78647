"""Make the pictures of the dashboards: previews of real loads on Redis and the embedded store, in a real Chromium.

python -m docs.images.make_dashboards_png [FOLDER]  # all, at two widths; without a folder, the one in the README
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from storescope import dashboards
from storescope.apps.preview import page
from tests.dashboards.loads import loaded
from tests.servers import RedisServer
from tests.view.chromium import ARGUMENTS, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect, Page

IMAGES = Path(__file__).parent
SECONDS = 90
WIDTHS = {"desktop": 1_920, "laptop": 1_366}
README_HEIGHT = 900  # overview and latency


def main(folder: Path | None) -> None:
    """Run the loads, draw the previews, take the pictures."""
    with tempfile.TemporaryDirectory() as made:
        pages = _pages(Path(made))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
            if folder is None:
                clip: FloatRect = {"x": 0, "y": 0, "width": WIDTHS["laptop"], "height": README_HEIGHT}
                opened = _open(browser, pages["storage-traffic"], WIDTHS["laptop"])
                opened.screenshot(path=IMAGES / "dashboards-traffic.png", clip=clip, full_page=True)
                return
            folder.mkdir(parents=True, exist_ok=True)
            for name, path in pages.items():
                for size, width in WIDTHS.items():
                    _open(browser, path, width).screenshot(path=folder / f"{name}-{size}.png", full_page=True)


def _pages(folder: Path) -> dict[str, Path]:
    redis = RedisServer(folder).start()
    try:
        with loaded(folder, redis.url, SECONDS) as loads:
            for name, text in dashboards.build().items():
                chosen = {"backend": "redis"} if "health" in name else {"job": ("local", "redis")}
                (folder / name).with_suffix(".html").write_text(
                    page(json.loads(text), loads.api, loads.span, chosen)
                )
    finally:
        redis.kill()
    return {path.stem: path for path in folder.glob("*.html")}


def _open(browser: Browser, path: Path, width: int) -> Page:
    opened = browser.new_page(viewport={"width": width, "height": 1_080})
    opened.goto(path.as_uri())
    opened.wait_for_selector("body[data-drawn]")
    return opened


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
