"""Make the pictures of `storescope view`: real traffic on a real Redis, looked at in a real Chromium.

python -m docs.images.make_view_png [FOLDER]  # without a folder, the two that the docs show
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from playwright.sync_api import Browser, Page, sync_playwright
from prometheus_client import CollectorRegistry, start_http_server

from storescope import StorageClient, StorageError, Store, call_context, wrap
from storescope.apps.view import Options, Viewer
from storescope.backends import open_backend
from storescope.middleware import (
    AuditLog,
    ResidencyPolicy,
    audit,
    instrument_drivers,
    metrics,
    region_guard,
    timeout,
    tracing,
)
from storescope.middleware._audit._keys import generate
from tests.servers import RedisServer
from tests.view.chromium import ARGUMENTS, program

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

    from storescope import BackendInfo, Call, Operation, Step

IMAGES = Path(__file__).parent
EU, US = "aws:eu-west-1", "aws:us-east-1"
POLICY = """
schema = "residency/1"
version = "7"
mode = "enforce"
min_confidence = "declared"
[regions]
eu = ["aws:eu-west-1", "aws:eu-central-1"]
[tenants]
"*" = "eu-only"
[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "aws:eu-west-1"
"""
TENANTS = ("acme", "globex", "initech")
CHANCE = random.Random(7)  # noqa: S311 (it is a picture)
LOST, GONE, ELSEWHERE, LATER = 0.012, 0.3, 0.1, 2
MOST_ROWS = 17  # of a waterfall, so that it fits the picture
SLOW_SECONDS, TIMEOUT_SECONDS = 0.4, 0.25


def far_away(next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
    """Make the loopback as slow as a network, and now and then too slow."""
    del operation, backend

    async def step(call: Call) -> Any:
        await asyncio.sleep(SLOW_SECONDS if CHANCE.random() < LOST else CHANCE.expovariate(400))
        return await next_step(call)

    return step


async def turn(client: StorageClient, tracer: Tracer, session: str, number: int) -> None:
    """Store what an agent stores in one turn."""
    with tracer.start_as_current_span("agent turn"):
        message = f"{session}-m{number}"
        await client.message.set(message, {"id": message, "sessionId": session, "role": "assistant", "text": ""})
        with tracer.start_as_current_span("model") as span:
            span.set_attribute("gen_ai.request.model", "a-model")
            await asyncio.sleep(CHANCE.uniform(0.03, 0.09))
            span.add_event("first token")
            await asyncio.sleep(CHANCE.uniform(0.02, 0.05))
        for part in range(CHANCE.randint(1, 3)):
            identity = f"{message}-p{part}"
            record = {"id": identity, "sessionId": session, "messageId": message}
            await client.part.set(identity, {**record, "state": "running"})
            with tracer.start_as_current_span(f"tool {CHANCE.choice(('search', 'read_file', 'run_command'))}"):
                await asyncio.sleep(CHANCE.uniform(0.005, 0.06))
            await client.part.set(identity, {**record, "state": "done"})
        await client.message.update(message, {"status": "done"})
        if number % 3 == 1:
            await client.part.list_by_session(session)
        if number == LATER and CHANCE.random() < GONE:
            await client.sandbox.update(f"gone-{session}", {"status": "stopped"})
        await client.session.update(session, {"lastMessageId": message})


async def session(client: StorageClient, tracer: Tracer, name: str, turns: int) -> None:
    """Run one agent session; who calls from elsewhere is denied."""
    region = US if CHANCE.random() < ELSEWHERE else EU
    with call_context(tenant=CHANCE.choice(TENANTS), actor="support-agent", region=region):
        for number in range(turns):
            try:
                if number == 0:
                    with tracer.start_as_current_span("agent setup"):
                        await client.session.get(name)
                        await client.session.set(name, {"id": name, "createdAt": 1})
                await turn(client, tracer, name, number)
            except StorageError:  # it is in the pictures
                await asyncio.sleep(0.05)


async def traffic(redis: str, home: Path, url: str, registry: CollectorRegistry, seconds: float) -> None:
    """Keep a few sessions busy."""
    provider = TracerProvider(resource=Resource.create({"service.name": "support-agent"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), schedule_delay_millis=300)
    )
    instrument_drivers(tracer_provider=provider)
    policy = ResidencyPolicy.load(home / "policy.toml")
    async with (
        open_backend(redis, region=EU) as backend,
        AuditLog.open(home / "audit", auditor=home / "auditor.pub") as log,
    ):
        handlers = wrap(
            backend,
            tracing(tracer_provider=provider),
            metrics(registry=registry),
            audit(log),
            region_guard(policy, caller_region=EU),
            timeout(TIMEOUT_SECONDS),
            far_away,
        )

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        client, tracer = StorageClient(storage), provider.get_tracer("support-agent")
        end = asyncio.get_running_loop().time() + seconds

        async def worker() -> None:
            while asyncio.get_running_loop().time() < end:
                await session(client, tracer, f"session-{CHANCE.getrandbits(48):012x}", CHANCE.randint(2, 5))

        await asyncio.gather(*(worker() for _ in range(3)))
    provider.shutdown()


def main(folder: Path | None) -> None:
    """Make the traffic, and take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "audit").mkdir()
        (home / "policy.toml").write_text(POLICY)
        generate(home / "auditor")
        registry = CollectorRegistry()
        server, _ = start_http_server(0, "127.0.0.1", registry)
        options = Options(
            audit=home / "audit",
            audit_key=home / "auditor.key",
            metrics=f"http://127.0.0.1:{server.server_port}/metrics",
        )
        redis = RedisServer(home).start()
        try:
            with Viewer(0, options).start() as viewer:
                work = traffic(redis.url, home, viewer.url, registry, 8 if folder is None else 40)
                thread = threading.Thread(target=asyncio.run, args=(work,))
                thread.start()
                thread.join(25)  # the charts are looked at while there is traffic
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
                    pictures(browser, viewer.url, folder)
                    browser.close()
        finally:
            redis.kill()
            server.shutdown()
            server.server_close()


def pictures(browser: Browser, url: str, folder: Path | None) -> None:
    """Take them: the two of the docs, or all into a folder to be looked at."""
    wanted: dict[str, Callable[[Page], None]] = {"view-list": _list, "view-waterfall": _waterfall}
    if folder is None:
        for name, show in wanted.items():
            _take(browser, url, IMAGES / f"{name}.png", show)
        return
    wanted = {"view-charts": _charts, **wanted, "view-history": _history}
    for name, show in wanted.items():
        for scheme in ("light", "dark"):
            _take(browser, url, folder / f"{name}-{scheme}.png", show, scheme=scheme)
        _take(browser, url, folder / f"{name}-narrow.png", show, width=360)


def _take(  # noqa: PLR0913 (what a picture is made of)
    browser: Browser,
    url: str,
    path: Path,
    show: Callable[[Page], None],
    *,
    scheme: Any = "light",
    width: int = 1200,
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 640}, color_scheme=scheme, base_url=url)
    show(page)
    page.screenshot(path=path)
    page.close()


def _list(page: Page) -> None:
    page.goto("/")
    page.wait_for_selector("tr[data-trace]")
    page.keyboard.press("j")
    page.wait_for_timeout(500)


def _open_failed(page: Page) -> None:
    page.goto("/?outcome=error&operation=part.set")
    page.wait_for_selector("tr[data-trace]")
    spans = {row: int(row.locator("td.spans").inner_text()) for row in page.locator("tr[data-trace]").all()}
    fitting = [row for row, count in spans.items() if count <= MOST_ROWS] or list(spans)
    max(fitting, key=lambda row: spans[row]).locator("a.whole").click()
    page.wait_for_selector(".row.span")


def _waterfall(page: Page) -> None:
    _open_failed(page)
    page.locator(".row.span:has(.badge)").last.click()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)


def _history(page: Page) -> None:
    _open_failed(page)
    page.locator(".facts a").first.click()
    page.wait_for_selector(".history tbody tr")
    page.wait_for_timeout(500)


def _charts(page: Page) -> None:
    page.goto("/charts")
    page.wait_for_selector(".u-over")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
