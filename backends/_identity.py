"""Which place a store is, so that its restored copy elsewhere can be told from it; and the marker bound to that.

A marker is one JSON text in the store itself: the region, and the identity of the place that it was written for.
A copy of the data carries it along, but the copy's own identity is another one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from storescope import BackendError

_SCHEMA = "residency-marker/1"
_LONGEST = 4096  # characters of a field that was read: it ends up in log lines


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one place from another, without credentials.

    Attributes:
        place: Kind, host as it was dialled, port and database, or the real path: `redis://db1.acme.example:6379/0`.
        machine: The machine's id, where the place means something on this machine alone (loopback, a Unix
            socket, a file); else empty. See `_machine.py`.
        file: The file system and inode of a file; else empty.
        cluster: The Postgres cluster's own id, where this role may read it; else empty.
    """

    place: str
    machine: str = ""
    file: str = ""
    cluster: str = ""

    def __str__(self) -> str:
        named = [f"{name} {value}" for name, value in asdict(self).items() if value and name != "place"]
        return self.place + (f" ({', '.join(named)})" if named else "")

    def difference(self, here: Identity) -> str:
        """Say in words how another place differs from this one; nothing if it is the same.

        The cluster's id counts only if both sides know it: one role may read it, and another not.
        """
        if self.place != here.place:
            return f"was written for {self}, and this is {here}"
        if self.machine != here.machine:
            return f"was written on another machine (for {self}; this is {here})"
        if self.file != here.file:
            return f"was written for another file at this path (for {self}; this is {here})"
        if self.cluster and here.cluster and self.cluster != here.cluster:
            return f"was written for another database cluster at this address (for {self}; this is {here})"
        return ""


@dataclass(frozen=True, slots=True)
class Marker:
    """What `Backend.admin.mark` wrote into a store.

    Attributes:
        region: Where the store's data rests, `aws:eu-west-1`, as whoever wrote the marker said.
        identity: The place that it was written for.
    """

    region: str
    identity: Identity

    def to_text(self) -> str:
        """Return the text that is stored."""
        known = {name: value for name, value in asdict(self.identity).items() if value}
        return json.dumps({"schema": _SCHEMA, "region": self.region, **known})

    @classmethod
    def from_text(cls, text: str) -> Marker:
        """Read what was stored.

        Raises:
            BackendError: If it is not what `to_text` wrote. What was found is not repeated.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise _foreign() from None
        if not isinstance(data, dict) or data.pop("schema", None) != _SCHEMA:
            raise _foreign()
        if not {"region", "place"} <= data.keys() <= {"region", "place", "machine", "file", "cluster"}:
            raise _foreign()
        if not all(isinstance(value, str) and _is_plain(value) for value in data.values()):
            raise _foreign()
        return cls(data.pop("region"), Identity(**data))


def check_region(region: str) -> str:
    """Hold the region of a new marker to what a policy can name, and return it.

    Raises:
        BackendError: If it is empty, or holds spaces or what cannot be printed.
    """
    if not isinstance(region, str) or not _is_plain(region) or " " in region:
        raise BackendError("a region is one word, PROVIDER:REGION, such as aws:eu-west-1")
    return region


def _is_plain(text: str) -> bool:
    return bool(text) and len(text) <= _LONGEST and text.isprintable()


def _foreign() -> BackendError:
    return BackendError(
        "the store's residency marker is not one that this storescope can read; "
        "write it anew with: storescope residency mark URL --region REGION --replace"
    )
