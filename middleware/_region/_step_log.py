"""Where the log of a workflow engine may rest, whose steps go through a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storescope.errors import PolicyError
from storescope.middleware._region._telemetry import may_store

if TYPE_CHECKING:
    from storescope.call import BackendInfo
    from storescope.middleware._region._policy import ResidencyPolicy
    from storescope.middleware._region._rules import Rule
    from storescope.step_log import StepLog


def check_step_log(policy: ResidencyPolicy, backend: BackendInfo, log: StepLog) -> None:
    """Refuse a log where a rule forbids it whose data may rest on the backend.

    A log that holds records is a store, held to `store`; one that only refers to them is held to `telemetry`.

    Raises:
        PolicyError: If it is elsewhere, or does not say where.
    """
    for rule in policy.rules.values():
        allowed = rule.store if log.results == "content" else rule.telemetry
        if allowed is not None and backend.region in may_store(policy, rule) and log.region not in allowed:
            raise _refused(rule, allowed, log)


def _refused(rule: Rule, allowed: frozenset[str], log: StepLog) -> PolicyError:
    found = f"is in {log.region}" if log.region else "has no region="
    what = "records rest" if log.results == "content" else "telemetry go"
    return PolicyError(
        f"region_guard: the log of {log.engine} {found}, and rule {rule.name!r} lets {what} only in "
        f"{' or '.join(sorted(allowed))}"
    )
