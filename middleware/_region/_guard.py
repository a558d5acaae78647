"""The region guard: decides when a call is opened, enforces at its own place in the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.call import UNKNOWN_BACKEND
from storescope.errors import PolicyError, ResidencyError
from storescope.middleware._region._decision import Decision
from storescope.middleware._region._engine import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from storescope.call import BackendInfo, Call, Middleware, Step
    from storescope.contract import Operation
    from storescope.middleware._region._policy import ResidencyPolicy, Rule

_OBSERVERS = frozenset({"tracing", "metrics", "audit"})


class RegionGuard:
    """The layer that `region_guard` makes.

    Attributes:
        policy: The policy that it decides by.
    """

    layer = "region_guard"
    inside = _OBSERVERS  # outside of them, its denials would be hidden

    def __init__(self, policy: ResidencyPolicy, caller_region: str | None) -> None:
        self.policy = policy
        self._caller_region = caller_region
        self._memories: dict[BackendInfo, Memory] = {}

    def on_wrap(self, info: BackendInfo, layers: tuple[Middleware, ...]) -> None:
        """Refuse a stack that the guard cannot answer for."""
        if info is UNKNOWN_BACKEND:
            raise PolicyError(
                "region_guard: nothing is known of the backend; pass wrap(..., backend=BackendInfo(system=..., "
                "region=...))"
            )
        for rule in self.policy.rules.values():
            if rule.telemetry is not None and info.region in self._may_store(rule):
                _check_telemetry(rule, rule.telemetry, layers)

    def _may_store(self, rule: Rule) -> frozenset[str]:
        """Return where the rule's data may ever rest, by exceptions from it too."""
        return rule.store.union(*(each.store for each in self.policy.exceptions if each.rule == rule.name))

    def on_open(self, operation: Operation, backend: BackendInfo) -> Callable[[Call], None]:
        """Return what decides about each call, before any layer sees it."""
        memory = self._memories.get(backend)
        if memory is None:
            memory = self._memories[backend] = Memory(self.policy, backend, self._caller_region)
        return memory.opener(operation.name)

    def __call__(self, next_step: Step, operation: Operation, backend: BackendInfo) -> Step:
        """Return a step that lets no denied call reach the next one."""
        del backend

        def step(call: Call) -> Awaitable[Any]:
            decision = call.decision
            if decision is None or not decision.allowed:  # a refused call too: a layer inside might answer it
                raise call.refusal or _denial(operation, decision)
            return next_step(call)

        return step


def region_guard(policy: ResidencyPolicy, *, caller_region: str | None = None) -> RegionGuard:
    """Let through only the calls that a residency policy allows.

    A denial raises `ResidencyError` before the backend is contacted. What is unknown is denied: a call without a
    tenant, a tenant without a rule, a backend without a region, a caller of whom neither the guard nor the call's
    context says where it is.

    Args:
        policy: What is allowed, from `ResidencyPolicy.load`.
        caller_region: Where this process runs, `aws:eu-west-1`. If the call's context names a region too, both
            must be allowed.

    Returns:
        A middleware; `wrap` refuses it outside of tracing, metrics and audit, and in front of a map whose backend
        it was not told.
    """
    return RegionGuard(policy, caller_region)


def _denial(operation: Operation, decision: Any) -> ResidencyError:
    if isinstance(decision, Decision):
        return ResidencyError(f"{operation.name}: {decision.explain()}", decision)
    raise PolicyError(f"{operation.name}: no residency decision was made, so the call is denied")


def _check_telemetry(rule: Rule, allowed: frozenset[str], layers: tuple[Middleware, ...]) -> None:
    for layer in layers:
        name = getattr(layer, "layer", None)
        region = getattr(layer, "region", None)
        if name in _OBSERVERS and region not in allowed:
            found = f"is in {region}" if region else "has no region="
            raise PolicyError(
                f"region_guard: {name} {found}, and rule {rule.name!r} lets telemetry go only to "
                f"{' or '.join(sorted(allowed))}"
            )
