"""What the stores that make writes once have in common."""

from __future__ import annotations

from typing import NamedTuple

from storescope import BackendError
from storescope.backends._names import check_name
from storescope.context import current_call_id


class Effect(NamedTuple):
    """Which write it is: a rerun of a call makes the same ones."""

    tenant: str
    call_id: str
    entity: str
    verb: str
    id: str


PRUNED_AT_ONCE = 10
"""How many results that are too old a write deletes at most: more than the one it adds, so that they end."""


def rerunnable_id(days: float) -> str | None:
    """Return the id of the call under way if a rerun of it must not write again.

    Args:
        days: The option `effect_days`.

    Raises:
        InvalidRecordError: If the envelope brought an id that no store can keep.
    """
    call_id = current_call_id() if days else None
    return None if call_id is None else check_name(call_id, "the call id")


def check_days(days: float) -> float:
    """Return the option `effect_days`.

    Raises:
        BackendError: If it is below 0.
    """
    if not days >= 0:
        raise BackendError("the option effect_days must be 0 or more; 0 makes reruns write again")
    return days
