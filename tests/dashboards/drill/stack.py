"""A stack as users build it, all its layers over a real store, that works on until something is done to it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry

from storescope import StorageClient, StorageError, call_context, wrap
from storescope.backends import open_backend
from storescope.middleware import AuditLog, PolicyFile, audit, metrics, region_guard, timeout, tracing
from storescope.middleware._audit._keys import generate
from tests.dashboards.live_traffic import serving

if TYPE_CHECKING:
    from pathlib import Path

    from storescope import Store

REGION = "aws:eu-west-1"
_PAUSE_SECONDS = 0.1
_WORKERS = 2
_POLICY = f"""
schema = "residency/1"
version = "1"
mode = "enforce"
min_confidence = "declared"
[regions]
eu = ["{REGION}"]
us = ["aws:us-east-1"]
[tenants]
acme = "eu-only"
[rules.eu-only]
store = ["eu"]
access = ["eu"]
home = "{REGION}"
"""


@dataclass(kw_only=True)
class Site:
    """Where a stack works, and how it is set up.

    Attributes:
        url: Its store.
        audit_folder: Where its audit log lies.
        audit_timeout: How long a call waits for that, in seconds.
        seal_seconds: How often that is sealed.
        policy: TOML after the policy that all have.
        caller_region: Where its callers are.
        limit: How long a call may take, in seconds.
    """

    url: str
    audit_folder: Path
    audit_timeout: float = 5.0
    seal_seconds: float = 0.5
    policy: str = ""
    caller_region: str = REGION
    limit: float = 5.0


@dataclass
class Stack:
    """A stack, and the agents that call it. Enter it to begin.

    Attributes:
        folder: For its own files.
        site: Where it works.
        tenant: For whom the agents call.
        patience: After how many seconds they give up, if they do.
        exporter: Closes the endpoint that Prometheus scrapes.
    """

    folder: Path
    site: Site
    tenant: str = "acme"
    patience: float | None = None
    port: int = 0
    exporter: AsyncExitStack = field(default_factory=AsyncExitStack)
    _begun: int = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self._client = await self._open(opening)
            self._tasks = [asyncio.create_task(self._work(f"s{number}")) for number in range(_WORKERS)]
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._opened.aclose()
        broken = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
        assert not broken, broken

    @property
    def policy_path(self) -> Path:
        """The file that its guard follows."""
        return self.folder / "policy.toml"

    async def _open(self, opening: AsyncExitStack) -> StorageClient:
        site = self.site
        self.policy_path.write_text(_POLICY + site.policy)
        public, _ = generate(self.folder / "auditor")
        backend = await opening.enter_async_context(open_backend(site.url, region=REGION))
        log = await opening.enter_async_context(
            AuditLog.open(
                site.audit_folder,
                auditor=public,
                timeout=site.audit_timeout,
                seal_seconds=site.seal_seconds,
                reserve_bytes=2**20,
            )
        )
        policy = opening.enter_context(PolicyFile(self.policy_path, check_every=0.2))
        registry = CollectorRegistry()
        used = {name: backend[name] for name in ("session.get", "session.set")}  # the rest would only be scraped
        handlers = wrap(
            used,
            *(tracing(), metrics(registry=registry), audit(log)),
            *(region_guard(policy, caller_region=site.caller_region), timeout(site.limit)),
            backend=backend.info,
        )
        self.port = self.exporter.enter_context(serving(registry))
        opening.push_async_exit(self.exporter)

        async def storage(store: Store) -> Any:
            return await store.on(handlers)

        return StorageClient(storage)

    async def _work(self, session: str) -> None:
        """Set and get a session in turn, whatever becomes of it."""
        while True:
            with call_context(tenant=self.tenant, actor="drill"):
                await self._try(self._client.session.set(session, {"id": session}))
                await self._try(self._client.session.get(session))

    async def be_impatient(self, seconds: float) -> None:
        """Give calls up after so many seconds, and wait until no call is under way that is still waited for."""
        self.patience = seconds
        last = self._begun + 4 * _WORKERS
        while self._begun < last:  # noqa: ASYNC110 (a count has no event)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _try(self, call: Any) -> None:
        self._begun += 1
        with suppress(StorageError, TimeoutError):
            await asyncio.wait_for(call, self.patience)
        await asyncio.sleep(_PAUSE_SECONDS)
