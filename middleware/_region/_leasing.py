"""Leases for calls: on what is pinned already, or on what a write pins now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.errors import BackendError
from storescope.middleware._region._pins._identity import RegistryLostError
from storescope.middleware._region._pins._lease import SessionBusyError
from storescope.middleware._region._pins._pin import SPLIT, Pin, PinKey

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from storescope.call import Call
    from storescope.middleware._region._members import Members
    from storescope.middleware._region._pins._lease import Lease
    from storescope.middleware._region._pins._registry import PinRegistry
    from storescope.middleware._region._rehoming import Rehoming


class _LookError(Exception):
    """A store failed while the registry was asked, which is not to blame."""

    def __init__(self, error: BackendError) -> None:
        super().__init__()
        self.error = error


class Leasing:
    """Takes leases from the registry, once the policy was asked about the pin."""

    def __init__(self, registry: PinRegistry, members: Members, rehoming: Rehoming) -> None:
        self._leases = registry.leases
        self._members = members
        self._rehoming = rehoming

    async def take(self, call: Call, key: PinKey, name: str, *, writes: bool, waits: bool = True) -> Lease | None:
        """Take a lease for a call; a write pins what has no pin yet.

        Args:
            call: The call.
            key: What on.
            name: The operation that the policy is asked about.
            writes: Whether the call writes.
            waits: Whether to wait until nobody has the pin to himself any more.

        Returns:
            The lease; None if there is no pin and none was made.

        Raises:
            ResidencyError: If the policy forbids it, or the registry does not answer.
            SessionBusyError: If somebody has the pin to himself, for too long.
        """

        async def propose(pin: Pin | None) -> Pin | None:
            if pin is not None:
                member = self._members.follow(call, pin, name)
                if pin.fence is not None and pin.fence.why == SPLIT:
                    raise member.enforcer.denial(call, "session_split")
                if pin.fence is not None and not waits:
                    raise SessionBusyError
                return pin
            tenant = call.context.tenant
            if not writes or not tenant:
                return None
            return await self._first_pin(call, key, tenant)

        def end_fence(key: PinKey, pin: Pin) -> Awaitable[None]:
            return self._rehoming.take_over(call, key, pin)

        try:
            lease: Lease | None = await self.reach(call, self._leases.take(key, propose, end_fence))
        except _LookError as failed:
            raise failed.error from None
        return lease

    async def _first_pin(self, call: Call, key: PinKey, tenant: str) -> Pin | None:
        """Return the pin of what has none. What lies there, from before there were pins, must be the tenant's."""
        member = self._members.at_home(call)
        try:
            await member.hold_to_label(key.entity, key.id, call)
        except BackendError as error:
            raise _LookError(error) from None
        region = member.info.region
        if region is None:
            return None
        pin = Pin(region, tenant)
        self._members.follow(call, pin, call.operation.name)  # it waited
        return pin

    async def reach(self, call: Call, asked: Awaitable[Any]) -> Any:
        """Await an answer of the registry; while there is none, deny."""
        try:
            return await asked
        except SessionBusyError:
            raise
        except RegistryLostError:
            raise self._members.first.enforcer.denial(call, "pins_lost") from None
        except BackendError:
            raise self._members.first.enforcer.denial(call, "pins_unreachable") from None
