"""Where the layers around a guard may send what they observe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storescope.errors import PolicyError

if TYPE_CHECKING:
    from storescope.call import BackendInfo
    from storescope.middleware._region._policy import ResidencyPolicy
    from storescope.middleware._region._rules import Rule

OBSERVERS = frozenset({"tracing", "metrics", "audit"})
"""The layers that observe, by name."""

_KEEPERS = OBSERVERS | {"pins"}  # what keeps something of the calls somewhere


def check_telemetry(policy: ResidencyPolicy, backend: BackendInfo, layers: tuple[Any, ...]) -> None:
    """Refuse observing layers, and a pin registry, that keep anything where a rule forbids.

    It is a rule whose data may rest on the backend.

    Raises:
        PolicyError: If one does, or does not say where it sends.
    """
    for rule in policy.rules.values():
        if rule.telemetry is not None and backend.region in may_store(policy, rule):
            _check_layers(rule, rule.telemetry, layers)


def may_store(policy: ResidencyPolicy, rule: Rule) -> frozenset[str]:
    """Return where the rule's data may ever rest, by exceptions from it too."""
    return rule.store.union(*(each.store for each in policy.exceptions if each.rule == rule.name))


def _check_layers(rule: Rule, allowed: frozenset[str], layers: tuple[Any, ...]) -> None:
    for layer in layers:
        name = getattr(layer, "layer", None)
        if name not in _KEEPERS:
            continue
        places = getattr(layer, "sinks", (layer,))  # an audit layer may send records to several places
        for place in places:
            region = getattr(place, "region", None)
            if region not in allowed:
                which = name if len(places) == 1 else f"{name} to {type(place).__name__}"
                found = f"is in {region}" if region else "has no region="
                raise PolicyError(
                    f"region_guard: {which} {found}, and rule {rule.name!r} lets telemetry go only to "
                    f"{' or '.join(sorted(allowed))}"
                )
