"""What the registry keeps: one pin for each session, sandbox and setup, one claim for each message and part.

All keys and values of the registry stand here, so that the format is read in one place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import orjson

from storescope.errors import BackendError

EVERYTHING = "pins/"
IDENTITY = "pins/registry"
PINS = "pins/pin/"
CLAIMS = "pins/claim/"
HOLDERS = "pins/holder/"
RECALLS = "pins/recall/"
SPLIT = "split"
"""Why a session is fenced off whose records lie in two regions, or under two tenants."""


class PinKey(NamedTuple):
    """Whose pin it is.

    Attributes:
        entity: `session`, `sandbox` or `setup`; of a claim `message` or `part`.
        id: Its id.
    """

    entity: str
    id: str

    @property
    def pin(self) -> str:
        """The key of its pin."""
        return f"{PINS}{self.entity}/{self.id}"

    @property
    def claim(self) -> str:
        """The key of its claim."""
        return f"{CLAIMS}{self.entity}/{self.id}"

    def recall(self, holder: str) -> str:
        """Return the key that asks a holder to give its lease back."""
        return f"{RECALLS}{holder}/{self.entity}/{self.id}"


def recalled(key: str) -> PinKey:
    """Return what the key of a recall is about."""
    _, entity, id_ = key.removeprefix(RECALLS).split("/", 2)
    return PinKey(entity, id_)


@dataclass(frozen=True, slots=True)
class Fence:
    """Why nobody may take a lease: somebody has the session to himself.

    Attributes:
        by: The holder who does. If it is dead, whoever needs the session takes over.
        why: `move`; `rehome`: a message is put into another session; or `split`: somebody has to say where it is.
        data: What the one who takes over has to know.
    """

    by: str
    why: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a session, sandbox or setup is.

    Attributes:
        region: Where its records rest.
        tenant: Whose it is.
        epoch: Counts the changes of region, from 1.
        holders: The processes that have a lease on it.
        fence: Who has it to himself; None if leases are given.
    """

    region: str
    tenant: str
    epoch: int = 1
    holders: tuple[str, ...] = ()
    fence: Fence | None = None

    def held_by(self, holder: str) -> Self:
        """Return it with one holder more."""
        return self if holder in self.holders else replace(self, holders=(*self.holders, holder))

    def without(self, holder: str) -> Self:
        """Return it with one holder less."""
        return replace(self, holders=tuple(each for each in self.holders if each != holder))

    def to_bytes(self) -> bytes:
        """Return it as the registry keeps it."""
        data: dict[str, Any] = {"region": self.region, "tenant": self.tenant, "epoch": self.epoch}
        if self.holders:
            data["holders"] = self.holders
        if self.fence:
            data["fence"] = {"by": self.fence.by, "why": self.fence.why, "data": self.fence.data}
        return orjson.dumps(data)

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            BackendError: If it is something else.
        """
        try:
            data = orjson.loads(text)
            fence = data.get("fence")
            return cls(
                _text(data["region"]),
                _text(data["tenant"]),
                int(data["epoch"]),
                tuple(map(_text, data.get("holders", ()))),
                Fence(_text(fence["by"]), _text(fence["why"]), dict(fence["data"])) if fence else None,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BackendError(
                "the pin registry holds a pin that it did not write; rebuild it from the stores' labels"
            ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value
