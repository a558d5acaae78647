"""What a move has to know of itself, whoever finishes it: it rides in the fence, and ends with it.

What was copied is noted with the switch, and what else lay at the source before it is purged: afterwards nobody
could tell any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from storescope.middleware._region._moving._rows import Row
    from storescope.middleware._region._pins._fence import Fenced
    from storescope.middleware._region._pins._pin import Fence, Pin
    from storescope.middleware._region._policy import ResidencyPolicy

_SALT_BYTES = 32  # as long as the digests


class Entry(NamedTuple):
    """A record as a proof names it.

    Attributes:
        entity: `session`, `message` or `part`.
        id: Its id; empty if nothing said it.
        digest: The digest of its content, with the move's salt.
    """

    entity: str
    id: str
    digest: str


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds ids, and the salt
class Moved:
    """What was moved.

    Attributes:
        move: The move's own id.
        session: The session.
        tenant: Whose it is.
        source: Where it was.
        target: Where it is.
        policy: The digest of the policy that allowed it, right before the switch.
        policy_version: Its version.
        salt: What the digests are salted with.
        rows: The records that were copied and found equal at the target before the switch, in order.
        late: Records that lay at the source after the switch and are not those that were copied: writes of a
            process that had lost its lease, which were never acknowledged. They were purged.
        left: How many records that name the session still lie at the source, because they do not name their own id
            and cannot be purged by it. No guard returns them.
        started: When it began, in seconds since 1970.
        switched: When the target began to count.
        ended: When the source was purged.
    """

    move: str
    session: str
    tenant: str
    source: str
    target: str
    policy: str
    policy_version: str
    salt: bytes
    rows: list[Entry]
    late: list[Entry]
    left: int
    started: float
    switched: float
    ended: float


def begun(source: str, target: str) -> dict[str, Any]:
    """Return what to know of a move that begins."""
    return {
        "move": token_hex(16),
        "from": source,
        "to": target,
        "fresh": True,
        "salt": token_hex(_SALT_BYTES),
        "started": time.time(),
    }


def switched(data: dict[str, Any], rows: list[Row], policy: ResidencyPolicy) -> dict[str, Any]:
    """Return what to know of a move once the target counts."""
    return {
        **data,
        "copied": _noted(data, rows),
        "late": [],
        "policy": [policy.digest, policy.version],
        "switched": time.time(),
    }


def late(data: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Return what to know of a move that finds these records at the source after the switch."""
    known = {Entry(*entry) for entry in (*data["copied"], *data["late"])}
    found = [entry for entry in _noted(data, rows) if Entry(*entry) not in known]
    return {**data, "late": [*data["late"], *found]}


def moved(session: str, pin: Pin, data: dict[str, Any], left: int) -> Moved:
    """Return what was moved, once the source is purged."""
    digest, version = data["policy"]
    return Moved(
        move=data["move"],
        session=session,
        tenant=pin.tenant,
        source=data["from"],
        target=data["to"],
        policy=digest,
        policy_version=version,
        salt=_salt(data),
        rows=[Entry(*entry) for entry in data["copied"]],
        late=[Entry(*entry) for entry in data["late"]],
        left=left,
        started=data["started"],
        switched=data["switched"],
        ended=time.time(),
    )


def fence_of(fenced: Fenced) -> Fence:
    """Return the fence of a pin that is fenced."""
    assert fenced.pin.fence is not None, "it is fenced"  # noqa: S101
    return fenced.pin.fence


def data_of(fenced: Fenced) -> dict[str, Any]:
    """Return what the fence of a pin says."""
    return fence_of(fenced).data


def noting(fenced: Fenced, data: dict[str, Any]) -> Pin:
    """Return the pin with a fence that says something else."""
    return replace(fenced.pin, fence=replace(fence_of(fenced), data=data))


def _salt(data: dict[str, Any]) -> bytes:
    return bytes.fromhex(data["salt"])


def _noted(data: dict[str, Any], rows: list[Row]) -> list[list[str]]:
    """Return entries as the registry keeps them: as JSON, which has no tuples."""
    salt = _salt(data)
    return [[row.entity, row.id, row.digest(salt)] for row in rows]
