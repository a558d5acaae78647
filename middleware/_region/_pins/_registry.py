"""`PinRegistry`: where sessions, sandboxes and setups are, and whose they are."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Self

from storescope.backends._kv._open_engine import open_engine
from storescope.middleware._region._pins._claims import Claims
from storescope.middleware._region._pins._fence import Fences
from storescope.middleware._region._pins._identity import Identity
from storescope.middleware._region._pins._leases import Leases
from storescope.middleware._region._pins._timing import Timing
from storescope.middleware._region._pins._watch import Watch

if TYPE_CHECKING:
    from types import TracebackType

    from storescope.middleware._region._pins._store import Store


class PinRegistry(AbstractAsyncContextManager["PinRegistry"]):
    """One linearizable registry: which region and tenant each session, sandbox and setup is pinned to.

    It holds ids and tenants, no other content. All processes that share stores share one registry; each opens it
    once, on the event loop that makes its calls.

    Attributes:
        region: Where the registry itself rests, for policies with `telemetry` rules.
    """

    layer = "pins"

    def __init__(self, engine: Store, timing: Timing, region: str | None) -> None:
        self.region = region
        self.timing = timing
        self.identity = Identity(engine)
        self.watch = Watch(engine, timing)
        self.leases = Leases(engine, self.identity, timing, self.watch)
        self.claims = Claims(engine, self.identity)
        self.fences = Fences(engine, timing, self.watch)
        self.engine = engine

    @classmethod
    async def open(  # noqa: PLR0913 (all but one have a default, and are given by name)
        cls,
        url: str,
        *,
        region: str | None = None,
        create: bool = True,
        lease_seconds: float = 10.0,
        settle_seconds: float = 10.0,
        wait_seconds: float = 5.0,
    ) -> Self:
        """Open a registry.

        Args:
            url: `local:PATH`, `redis://...` or `postgresql://...`; `memory:` for tests of one process.
            region: Where the registry rests, `aws:eu-west-1`.
            create: Whether to begin an empty registry. With False one that was emptied is refused, where a new
                one would not know what is pinned.
            lease_seconds: How long a lease lasts after its process was last heard of: about how long a session of
                a process that died cannot be moved. The same for all processes.
            settle_seconds: How long a call may be under way in a store after its process is gone: longer than the
                store's time-out, which is 5 seconds unless it is set. The same for all processes.
            wait_seconds: How long a call waits for a session that is being moved.

        Returns:
            The registry; close it with `aclose()`, or enter it with `async with`.

        Raises:
            BackendError: If it cannot be opened, is empty and `create` is False, or lost pins.
            PolicyError: If a span of time is not greater than 0.
        """
        timing = Timing(lease_seconds, settle_seconds, wait_seconds)
        registry = cls(await open_engine(url), timing, region)
        try:
            await registry.identity.learn(create=create)
        except BaseException:
            await registry.engine.aclose()
            raise
        return registry

    async def aclose(self) -> None:
        """Give back every lease, and close the registry."""
        try:
            await self.leases.aclose()
        finally:
            await self.engine.aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
