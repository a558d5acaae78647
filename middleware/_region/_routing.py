"""`route_by_region`: one handler map over the backends of several regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.call import UNKNOWN_BACKEND, BackendInfo
from storescope.compose import originate, steps_of, wrapped_of
from storescope.errors import PolicyError, WrapError
from storescope.middleware._handler_timer import begin_router, router_handler
from storescope.middleware._region._guard import FixedPolicy, GuardOptions, RegionGuard, refusing_labels
from storescope.middleware._region._members import Members
from storescope.middleware._region._pinned import PinnedMap
from storescope.middleware._region._pins._registry import PinRegistry
from storescope.middleware._region._policy import ResidencyPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from storescope.call import Call, Middleware, Step
    from storescope.contract import Handlers, Operation
    from storescope.middleware._region._memory import PolicySource


class _Router:
    """The guard of a router: it decides and enforces for every member."""

    layer = RegionGuard.layer
    inside = RegionGuard.inside

    def __init__(self, guard: RegionGuard, pinned: PinnedMap, layers: tuple[Middleware, ...]) -> None:
        self._guard = guard
        self._pinned = pinned
        self._layers = layers

    def on_wrap(self, info: BackendInfo, layers: tuple[Middleware, ...]) -> None:
        """Refuse a stack whose telemetry goes where the rule of a member's data forbids."""
        for member in info.members:
            self._guard.on_wrap(member, (*layers, *self._layers))

    def on_open(self, operation: Operation, backend: BackendInfo) -> Callable[[Call], None]:
        """Return what decides about each call, before any layer sees it."""
        del backend
        decide = refusing_labels(operation, self._pinned.opener(operation))

        def open_call(call: Call) -> None:
            begin_router(call)
            decide(call)

        return open_call

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that goes to one of the members."""
        return self._pinned(next_step, operation, backend)


def route_by_region(  # noqa: PLR0913 (each but three has a default, and is given by name)
    backends: Mapping[str, Handlers],
    policy: ResidencyPolicy | PolicySource,
    *,
    pins: PinRegistry,
    caller_region: str | None = None,
    label_keys: Sequence[bytes] = (),
    name: str = "router",
) -> Handlers:
    """Send each session to the backend of its region.

    New sessions, sandboxes and setups are placed at the `home` of their tenant's rule; while its backend does not
    answer, in another region that the rule allows. What is placed stays there until it is moved. No region outside
    of the allowed set is ever contacted, not even to look an id up. The router guards what it routes: it takes the
    place of `region_guard`.

    Args:
        backends: Region -> handler map, `{"aws:eu-west-1": eu, "aws:us-east-1": us}`; each a shipped backend, or
            handlers that were wrapped with `backend=BackendInfo(...)`.
        policy: What is allowed, as for `region_guard`.
        pins: The registry that all processes share.
        caller_region: Where this process runs.
        label_keys: Keys for the labels' MACs, as for `region_guard`.
        name: The `backend` label of what is not yet routed: calls in flight, and calls that are denied.

    Returns:
        A handler map of the operations that all of the backends have.

    Raises:
        WrapError: If there is no backend, or one of them is guarded already.
        PolicyError: If there is no registry, or a backend says that it is in another region.
    """
    if not isinstance(pins, PinRegistry):
        raise PolicyError("route_by_region: pins must be a PinRegistry, from `await PinRegistry.open(url)`")
    if not backends:
        raise WrapError("route_by_region: give at least one backend, {'aws:eu-west-1': backend}")
    source: PolicySource = FixedPolicy(policy) if isinstance(policy, ResidencyPolicy) else policy
    guard = RegionGuard(source, GuardOptions(caller_region, label_keys=tuple(label_keys), pins=pins))
    infos = {region: _info_of(region, handlers) for region, handlers in backends.items()}
    members = {region: guard.member(_timed(handlers), infos[region]) for region, handlers in backends.items()}
    every = tuple(infos.values())
    info = BackendInfo(
        "storescope.router", name, members=every, keeps_labels=all(member.keeps_labels for member in every)
    )
    router = _Router(guard, PinnedMap(pins, Members(source, members, route=True)), _layers_of(backends))
    shared = set.intersection(*(set(handlers) for handlers in backends.values()))
    return originate(router, sorted(shared), info)


def _timed(handlers: Handlers) -> dict[str, Step]:
    return {name: router_handler(step) for name, step in steps_of(handlers).items()}


def _info_of(region: str, handlers: Handlers) -> BackendInfo:
    found = {wrapped.backend for handler in handlers.values() if (wrapped := wrapped_of(handler)) is not None}
    if len(found) != 1 or UNKNOWN_BACKEND in found:
        raise PolicyError(
            f"route_by_region: nothing is known of the backend of {region}; give a shipped backend, or "
            "wrap(handlers, backend=BackendInfo(system=..., region=...))"
        )
    info = found.pop()
    if info.region != region:
        raise PolicyError(f"route_by_region: the backend given for {region} says that it is in {info.region}")
    return info


def _layers_of(backends: Mapping[str, Handlers]) -> tuple[Middleware, ...]:
    """Return the layers that stand around the backends already; none of them may be a guard."""
    wrapped = [wrapped_of(handler) for handlers in backends.values() for handler in handlers.values()]
    layers = tuple(dict.fromkeys(layer for each in wrapped if each is not None for layer in each.layers))
    if any(getattr(layer, "layer", None) == RegionGuard.layer for layer in layers):
        raise WrapError("route_by_region: a backend is guarded already; the router guards what it routes")
    return layers
