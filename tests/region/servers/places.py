"""Two regions and a registry on servers of their own, and how a process opens them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from storescope import wrap
from storescope.backends import open_backend
from storescope.middleware import PinRegistry, ResidencyPolicy, route_by_region
from tests.faults.patience import patiently
from tests.region.policies import EU, US

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from storescope import Handlers
    from storescope.backends import Backend

ALLOWED = {"acme": (EU,), "globex": (US,), "initech": (EU, US)}
"""Where each tenant's data may rest; at home in the first of them."""

SHARED = {tenant: tuple(f"{tenant}-s{number}" for number in range(3)) for tenant in ALLOWED}
"""The sessions that all processes write messages and parts to."""

POLICY = ResidencyPolicy.from_dict(
    {
        "schema": "residency/1",
        "version": "1",
        "mode": "enforce",
        "min_confidence": "declared",
        "regions": {EU[4:]: [EU], US[4:]: [US]},
        "tenants": {tenant: tenant for tenant in ALLOWED},
        "rules": {
            tenant: {"store": [region[4:] for region in allowed], "access": [EU[4:]], "home": allowed[0]}
            for tenant, allowed in ALLOWED.items()
        },
    }
)

TIMEOUT, LEASE, SETTLE = 2.0, 2.0, 3.0
"""Seconds: of a call to a store, of a lease, and of what is under way once its process is gone."""


class Places(NamedTuple):
    """Where things are.

    Attributes:
        stores: Region -> URL.
        registry: URL of the registry.
    """

    stores: dict[str, str]
    registry: str


class Opened(NamedTuple):
    """The same, opened."""

    stores: dict[str, Backend]
    pins: PinRegistry

    def routed(self) -> Handlers:
        """Return the handler map over both regions."""
        return wrap(route_by_region(self.stores, POLICY, pins=self.pins, caller_region=EU))


@asynccontextmanager
async def opened(places: Places) -> AsyncGenerator[Opened]:
    """Open all of them; wait for those that are down."""
    async with AsyncExitStack() as stack:
        stores = {
            region: await stack.enter_async_context(await patiently(partial(open_backend, url, region=region)))
            for region, url in places.stores.items()
        }
        pins = await stack.enter_async_context(await patiently(partial(open_pins, places.registry)))
        yield Opened(stores, pins)


async def open_pins(url: str) -> PinRegistry:
    """Open the registry."""
    return await PinRegistry.open(url, lease_seconds=LEASE, settle_seconds=SETTLE, wait_seconds=3.0)
