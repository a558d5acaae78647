"""Runs every drill side by side under one Prometheus with the shipped rules, and says what fired."""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from storescope.dashboards import Burn, Objectives, write_rules
from tests.dashboards import prometheus_server
from tests.dashboards.drill.faults import FAULTS, Place, running_redis
from tests.dashboards.drill.stack import Stack
from tests.faults.disks import small_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.dashboards.drill.faults import Fault
    from tests.dashboards.prometheus_server import Prometheus

RUNBOOKS = Path(__file__).parents[3] / "docs" / "operate" / "runbooks.md"
# Days become seconds by the same options that users have.
OBJECTIVES = Objectives(
    availability=0.95,
    latency_seconds=1.0,
    latency_share=0.95,
    fast=Burn(14.4, 8, 5),
    medium=Burn(6, 10, 6),
    slow=Burn(1, 12, 8),
    window_seconds=5,
    hold_seconds=4,
    reload_seconds=60,
    remember_seconds=300,
    denied_calls=3,
    unaudited_share=0.2,
    audit_free_bytes=8 * 2**20,
    audit_trend_seconds=10,
    audit_full_seconds=1,
    seal_seconds=5,
    exception_seconds=3_600,
)
QUIET = "nothing"
"""The stack that nothing is done to."""

WARM_SCRAPES = 6
MORE_SCRAPES = 16
"""After all have fired: the longest window and the longest hold, so that what should not fire had the time to."""

DEADLINE_SECONDS = 90
Alerts: TypeAlias = "dict[str, set[str]]"


def table() -> Alerts:
    """Return what the runbooks say: fault -> the alerts that it fires."""
    section = RUNBOOKS.read_text().split("\n## ")[1]
    rows = re.findall(r"^\| ([a-z -]+) \| (.+) \|$", section, re.MULTILINE)
    return {fault: set(re.findall(r"\[(\w+)\]", alerts)) for fault, alerts in rows if fault != "fault"}


def differences(expected: Alerts, fired: Alerts) -> list[str]:
    """Say where what fired is not what the table says."""
    return [
        f"{fault}: {what} {sorted(alerts)}"
        for fault, wanted in expected.items()
        for what, alerts in (
            ("did not fire", wanted - fired.get(fault, set())),
            ("should not have fired", fired.get(fault, set()) - wanted),
        )
        if alerts
    ]


def was_slow(expected: Alerts, fired: Alerts) -> bool:
    """Return whether stacks were slow that nobody made slow: then the machine itself stood still for a second."""
    return any(
        "Latency" in alert for fault, wanted in expected.items() for alert in fired.get(fault, set()) - wanted
    )


async def drill(folder: Path, expected: Alerts) -> Alerts:
    """Cause every fault at once, each to a stack of its own, and return which alerts fired by fault."""
    async with AsyncExitStack() as opened:
        server = opened.enter_context(running_redis(folder / "redis"))
        place = Place(folder, server, opened.enter_context(small_disk(folder / "audits", "64m")))
        faults = {name: make(place, opened) for name, make in FAULTS.items()}
        stacks = {name: await _start(name, fault, folder, opened) for name, fault in faults.items()}
        rules = write_rules(folder / "rules", OBJECTIVES)
        jobs = {name: stack.port for name, stack in stacks.items()}
        prometheus = opened.enter_context(prometheus_server.running(folder, jobs, rules))
        await _scraped(prometheus, jobs, WARM_SCRAPES)
        for name, fault in faults.items():
            await fault.inject(stacks[name])
        await _felt(prometheus, faults, expected)
        await _scraped(prometheus, [QUIET], MORE_SCRAPES)
        return _fired(prometheus)


async def _start(name: str, fault: Fault, folder: Path, opened: AsyncExitStack) -> Stack:
    own = folder / name
    own.mkdir()
    return await opened.enter_async_context(Stack(own, fault.site))


async def _scraped(prometheus: Prometheus, jobs: Iterable[str], times: int) -> None:
    """Wait until each job was scraped so many times from now on."""
    begun, give_up = time.time(), time.monotonic() + DEADLINE_SECONDS
    while True:
        since = max(1, int(time.time() - begun))
        counts = _by_job(prometheus, f"sum_over_time(up[{since}s])")
        if all(counts.get(job, 0) >= times for job in jobs):
            return
        assert time.monotonic() < give_up, f"scrapes: {counts}"
        await asyncio.sleep(0.5)


async def _felt(prometheus: Prometheus, faults: Mapping[str, Fault], expected: Alerts) -> None:
    """Wait until all that should fire has fired, or time is up, and each sign is seen."""
    give_up = time.monotonic() + DEADLINE_SECONDS
    signs = [fault.sign for fault in faults.values() if fault.sign]
    while time.monotonic() < give_up:
        fired = _fired(prometheus)
        missing = [fault for fault, alerts in expected.items() if alerts - fired.get(fault, set())]
        if not missing and all(prometheus.samples(sign) for sign in signs):
            return
        await asyncio.sleep(0.5)
    assert all(prometheus.samples(sign) for sign in signs), signs


def _fired(prometheus: Prometheus) -> Alerts:
    """Return every alert that fired since the start, by job."""
    found: Alerts = defaultdict(set)
    for row in prometheus.get("query", query='count_over_time(ALERTS{alertstate="firing"}[10m])')["result"]:
        found[row["metric"]["job"]].add(row["metric"]["alertname"])
    return found


def _by_job(prometheus: Prometheus, expr: str) -> dict[str, float]:
    rows = prometheus.get("query", query=expr)["result"]
    return {row["metric"]["job"]: float(row["value"][1]) for row in rows}
