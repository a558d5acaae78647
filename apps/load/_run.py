"""Keeps the sessions busy until the time is over, and tells what came of it."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from prometheus_client import CollectorRegistry

from storescope.apps.load._caller import Caller, EndedError, Setting
from storescope.apps.load._clock import Clock
from storescope.apps.load._gather import gather
from storescope.apps.load._home import home
from storescope.apps.load._policy import EXCEPTED, MONITORED, RESIDENT, abroad_of
from storescope.apps.load._serve import serving
from storescope.apps.load._session import AgentSession
from storescope.apps.load._sizes import Texts
from storescope.apps.load._stack import opened
from storescope.apps.load._tally import Tally

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

    from storescope import Handlers, Store
    from storescope.apps.load._caller import Storage
    from storescope.apps.load._home import Home
    from storescope.apps.load._options import LoadOptions
    from storescope.apps.load._report import LoadReport
    from storescope.apps.load._stack import Stack

TENANTS = (RESIDENT, MONITORED, RESIDENT, EXCEPTED)
"""Whose sessions follow one another, so that a single busy session meets every rule too."""

_TICK_SECONDS = 0.1


class Watcher(Protocol):
    """Is told how a run goes."""

    def began(self, metrics_url: str) -> None:
        """Take where metrics are served, as the sessions begin."""

    def tick(self, seconds: float, tally: Tally) -> None:
        """Take what was counted so far, after so many seconds."""

    def verifying(self) -> None:
        """Hear that the calls are over and the audit log is verified."""


def run(options: LoadOptions, watcher: Watcher, tracer_provider: TracerProvider | None = None) -> LoadReport:
    """Run a load. Ctrl-C ends it early; what it did until then is reported all the same.

    Args:
        options: What it is to do.
        watcher: Is told how it goes.
        tracer_provider: Where spans go; None if nowhere.

    Returns:
        What was done and seen.

    Raises:
        StorageError: If the backend cannot be opened, or a port or folder cannot be used.
    """
    with home(options.keep) as where:
        made = _Run(options, watcher, tracer_provider)
        stack = asyncio.run(made.drive(where))
        watcher.verifying()
        return gather(options, made.clock, made.tally, made.registry, stack, where)


class _Run:
    def __init__(self, options: LoadOptions, watcher: Watcher, provider: TracerProvider | None) -> None:
        self.tally = Tally()
        self.registry = CollectorRegistry()
        self.clock = Clock(0.0)  # it starts anew when the sessions do
        self._options = options
        self._watcher = watcher
        self._provider = provider
        self._texts = Texts()

    async def drive(self, where: Home) -> Stack:
        """Open the stack, keep the sessions busy, close it."""
        async with opened(self._options.backend, where, self.registry, self._provider) as stack:
            with serving(self.registry, self._options.metrics_port) as url:
                self._watcher.began(url)
                self.clock = Clock(self._options.seconds)
                with self.clock.ended_by_ctrl_c():
                    await self._keep_busy(stack)
                    await self._linger()
        return stack

    async def _linger(self) -> None:
        """Go on serving metrics for a while; Ctrl-C ends that too."""
        until = time.monotonic() + self._options.linger
        while time.monotonic() < until and not self.clock.interrupted:  # noqa: ASYNC110 (Ctrl-C sets no event)
            await asyncio.sleep(_TICK_SECONDS)

    async def _keep_busy(self, stack: Stack) -> None:
        options = self._options
        setting = Setting(
            storage=_storage(stack.handlers),
            tally=self.tally,
            running=self.clock.running,
            errors=options.errors,
            denials=options.denials,
            home=stack.region,
            abroad=abroad_of(stack.region),
        )
        tracer = trace.get_tracer("storescope.load", tracer_provider=self._provider)
        async with asyncio.TaskGroup() as group:
            for worker in range(options.sessions):
                group.create_task(self._work(worker, setting, tracer))
            group.create_task(self._tick(stack))
        self.clock.stop()

    async def _work(self, worker: int, setting: Setting, tracer: Tracer) -> None:
        """Run one session after the other, each with random numbers of its own."""
        # What is drawn for the calls and what the session does are apart: more errors change no plan.
        seed = self._options.seed
        for number in count():
            tenant = TENANTS[(worker + number) % len(TENANTS)]
            name = f"load-{seed}-{worker}-{number}"
            caller = Caller(setting, Random(f"{name}/fates"), tenant)  # noqa: S311 (a load is no secret)
            session = AgentSession(caller, self._texts, self.tally, name, f"load-{seed}-{tenant}")
            try:
                self.tally.sessions += 1
                await session.run(tracer)
            except EndedError:
                return

    async def _tick(self, stack: Stack) -> None:
        """Tell how it goes, and let the audit log fail once, when half of the time is over."""
        half = self._options.seconds / 2
        while self.clock.running():
            await asyncio.sleep(_TICK_SECONDS)
            elapsed = self.clock.elapsed
            self._watcher.tick(elapsed, self.tally)
            if elapsed >= half:
                half = float("inf")
                stack.log.fail_once()


def _storage(handlers: Handlers) -> Storage:
    async def storage(store: Store) -> Any:
        return await store.on(handlers)

    return storage
