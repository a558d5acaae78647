"""Thirteen faults, and the quiet control: what each stack works on, and what is then done to it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from redis import Redis

from tests.dashboards.drill.stack import Site
from tests.faults.disks import faulty_disk, filled, small_disk
from tests.faults.proxy import Mode, Proxy
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

    from tests.dashboards.drill.stack import Stack

HELD_SECONDS = 0.6
"""Each way; there and back it is more than the objective."""

IMPATIENT_SECONDS = 0.05
HANGING_SECONDS = 300.0
EXCEPTION_SECONDS = 15.0


@dataclass
class Place:
    """What the drills share: a server, a disk in memory for audit logs, and a folder."""

    folder: Path
    server: RedisServer
    audit: Path

    def site(self, name: str) -> Site:
        """Return a site where all is well."""
        return Site(url=f"{self.server.url}?prefix={name.replace(' ', '-')}", audit_folder=self.audit / name)


@dataclass
class Fault:
    """A fault.

    Attributes:
        site: Where its stack works.
        inject: Does it.
        sign: PromQL that has a sample once it is felt, for a fault that nothing alerts of.
    """

    site: Site
    inject: Callable[[Stack], Awaitable[None]]
    sign: str = ""


async def nothing(stack: Stack) -> None:
    """Do nothing."""


@contextmanager
def running_redis(folder: Path) -> Generator[RedisServer]:
    """Run a Redis of a drill's own."""
    folder.mkdir()
    server = RedisServer(folder).start()
    try:
        yield server
    finally:
        server.kill()


def backend_killed(place: Place, opened: AsyncExitStack) -> Fault:
    server = opened.enter_context(running_redis(place.folder / "killed"))

    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(server.kill)

    site = place.site("killed")
    site.url = server.url
    return Fault(site, inject)


def _behind_proxy(place: Place, opened: AsyncExitStack, mode: Mode, limit: float) -> Fault:
    proxy = opened.enter_context(Proxy(place.server.port, HELD_SECONDS))

    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(proxy.switch, mode)

    site = place.site(mode.name)
    site.url, site.limit = proxy.url(site.url), limit
    return Fault(site, inject)


def backend_slow(place: Place, opened: AsyncExitStack) -> Fault:
    return _behind_proxy(place, opened, Mode.SLOW, 5.0)


def backend_black_holed(place: Place, opened: AsyncExitStack) -> Fault:
    return _behind_proxy(place, opened, Mode.BLACK_HOLE, 1.5)


def error_burst(place: Place, opened: AsyncExitStack) -> Fault:
    """Every write fails, as a Redis without memory makes it."""
    server = opened.enter_context(running_redis(place.folder / "burst"))

    async def inject(stack: Stack) -> None:
        with Redis(port=server.port) as client:
            client.config_set("maxmemory", "1")

    site = place.site("burst")
    site.url = server.url
    return Fault(site, inject)


def cancelled_burst(place: Place, opened: AsyncExitStack) -> Fault:
    proxy = opened.enter_context(Proxy(place.server.port, HELD_SECONDS))

    async def inject(stack: Stack) -> None:
        await stack.be_impatient(IMPATIENT_SECONDS)
        await asyncio.to_thread(proxy.switch, Mode.SLOW)

    site = place.site("cancelled")
    site.url = proxy.url(site.url)
    cancelled = 'sum(rate(agent_storage_operations_total{job="cancelled burst", outcome="cancelled"}[5s])) > 1'
    return Fault(site, inject, cancelled)


def denials(place: Place, opened: AsyncExitStack) -> Fault:
    async def inject(stack: Stack) -> None:
        stack.tenant = "nobody"

    return Fault(place.site("denials"), inject)


def audit_disk_full(place: Place, opened: AsyncExitStack) -> Fault:
    disk = opened.enter_context(small_disk(place.folder / "full", "24m"))

    async def inject(stack: Stack) -> None:
        opened.enter_context(filled(disk, but=2**19))  # half of the log's reserve: seals have room

    site = place.site("full")
    site.audit_folder = disk / "audit"
    return Fault(site, inject)


def audit_hung(place: Place, opened: AsyncExitStack) -> Fault:
    disk = opened.enter_context(faulty_disk(place.folder / "hung"))

    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(disk.hung, HANGING_SECONDS)
        opened.callback(disk.well)

    site = place.site("hung")
    site.audit_folder, site.audit_timeout = disk.path / "audit", 0.3
    return Fault(site, inject)


def no_seal(place: Place, opened: AsyncExitStack) -> Fault:
    """As one whose `seal_seconds` is an hour."""
    site = place.site("unsealed")
    site.seal_seconds = 3_600
    return Fault(site, nothing)


def audit_tampered(place: Place, opened: AsyncExitStack) -> Fault:
    """Somebody deletes the file that is written to."""
    site = place.site("tampered")

    async def inject(stack: Stack) -> None:
        (live,) = site.audit_folder.glob("*.jsonl")
        live.unlink()

    return Fault(site, inject)


def expired_exception(place: Place, opened: AsyncExitStack) -> Fault:
    """Calls from abroad live on an exception, which ends."""
    site = place.site("exception")
    site.caller_region = "aws:us-east-1"
    site.policy = exception("support", EXCEPTION_SECONDS)
    return Fault(site, nothing)


def bad_policy_reload(place: Place, opened: AsyncExitStack) -> Fault:
    async def inject(stack: Stack) -> None:
        stack.policy_path.write_text("schema = 'residency/0'")

    return Fault(place.site("reload"), inject)


def exporter_down(place: Place, opened: AsyncExitStack) -> Fault:
    async def inject(stack: Stack) -> None:
        await stack.exporter.aclose()

    return Fault(place.site("exporter"), inject)


def quiet(place: Place, opened: AsyncExitStack) -> Fault:
    """Nothing happens; its policy has an exception that lasts."""
    site = place.site("quiet")
    site.policy = exception("support", 86_400)
    return Fault(site, nothing)


def exception(name: str, seconds: float) -> str:
    """Return an exception for callers in the US, which ends in so many seconds."""
    ends = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return f"""
[[exceptions]]
id = "{name}"
rule = "eu-only"
operations = ["session.get", "session.set"]
access = ["us"]
reason = "drill"
approved_by = ["one@acme.example", "two@acme.example"]
expires = {ends}
"""


FAULTS: dict[str, Callable[[Place, AsyncExitStack], Fault]] = {
    "backend killed": backend_killed,
    "backend slow": backend_slow,
    "backend black-holed": backend_black_holed,
    "error burst": error_burst,
    "cancelled burst": cancelled_burst,
    "denials": denials,
    "audit disk full": audit_disk_full,
    "audit hung": audit_hung,
    "no seal": no_seal,
    "audit tampered": audit_tampered,
    "expired exception": expired_exception,
    "bad policy reload": bad_policy_reload,
    "exporter down": exporter_down,
    "nothing": quiet,
}
"""By the name that the table in the runbooks gives it; the quiet control last."""
