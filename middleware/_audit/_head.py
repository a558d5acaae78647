"""How far a stream had come."""

from __future__ import annotations

from typing import NamedTuple


class Head(NamedTuple):
    """How far a stream had come: kept elsewhere, it is proof that nothing before it was cut off or replaced.

    Attributes:
        stream: The stream's id.
        seq: The record's number.
        mac: The record's MAC, hex.
    """

    stream: str
    seq: int
    mac: str

    def to_dict(self) -> dict[str, str | int]:
        """Return it as it stands in records."""
        return {"stream": self.stream, "seq": self.seq, "mac": self.mac}
