"""The log of a workflow engine, as a place where data rests: what the region guard knows of it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeAlias

from storescope._in_force import InForce

Results: TypeAlias = Literal["content", "reference"]


@dataclass(frozen=True, slots=True)
class StepLog:
    """Where an engine keeps what its steps returned.

    Attributes:
        engine: The engine's name.
        region: Where the log rests, `aws:eu-west-1`; None if nobody said.
        results: Whether it holds records (`content`), or only that a call was made (`reference`).
    """

    engine: str
    region: str | None
    results: Results


_current: ContextVar[StepLog | None] = ContextVar("storescope_step_log", default=None)

current_step_log = _current.get
"""Return the log that the call under way will be written to; None outside of durable steps."""


class use_step_log(InForce["StepLog | None"]):  # noqa: N801 (used like a function)
    """Say for a block which log its calls will be written to."""

    __slots__ = ()

    def __init__(self, log: StepLog) -> None:
        super().__init__(_current, log)
