"""A record's pointer and the mark on its line, as they are stored."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

_HEAD = re.compile(rb"\d+([?!]?)(\d*)")


class Pointer(NamedTuple):
    """Where a record is.

    Attributes:
        version: Grows with each change.
        session: The session that it is in.
    """

    version: int
    session: str

    def __str__(self) -> str:
        return f"{self.version} {self.session}"

    @classmethod
    def read(cls, stored: bytes | None) -> Self | None:
        """Return what was stored; None if nothing was."""
        if not stored:
            return None
        version, _, session = stored.decode().partition(" ")
        return cls(int(version), session)


class Mark(NamedTuple):
    """Says that a record is arriving, `?`, or leaving, `!`, or neither.

    Attributes:
        sign: Empty for neither.
        version: The pointer's, once it has arrived or before it has left; 0 for neither.
    """

    sign: bytes
    version: int

    def __str__(self) -> str:
        return f"{self.sign.decode()}{self.version}"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """Return the mark on a record's line."""
        head = _HEAD.match(line)
        return cls(head[1], int(head[2] or 0)) if head else cls(b"", 0)


def is_line(outcome: bytes | None) -> bool:
    """Return whether a script returned a record's line, and not the mark that stood in its way."""
    return outcome is not None and outcome[:1].isdigit()
