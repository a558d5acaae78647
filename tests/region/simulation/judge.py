"""What a policy says of a call at one moment, worked out apart from the engine by the slow interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.region import interpreter

if TYPE_CHECKING:
    from tests.region.simulation.attempts import Attempt
    from tests.region.simulation.policies import Raw


def effect(policy: Raw, at: Attempt, now: float) -> str:
    """Return `allow`, `exception`, `would_deny` or `deny`."""
    return interpreter.effect(policy, _facts(at), now)[0]


def exception(policy: Raw, at: Attempt, now: float) -> str | None:
    """Return the exception that lets the call through; None if it needs none or has none."""
    return interpreter.effect(policy, _facts(at), now)[1]


def is_monitored(policy: Raw, at: Attempt, now: float) -> bool:
    """Return whether what is denied to this caller is let through."""
    nowhere = {**_facts(at), "backend_region": None}
    return interpreter.effect(policy, nowhere, now)[0] == "would_deny"


def _facts(at: Attempt) -> dict[str, Any]:
    process = at.process
    known = process.confidence in interpreter.ORDER  # else they disagree, or nobody understands the word
    return {
        "operation": at.operation.name,
        "tenant": at.tenant or None,
        "caller_region": process.caller_region,
        "call_region": at.region,
        "backend_region": process.region if known else None,
        "confidence": process.confidence if known else "declared",
    }
