"""The log of a workflow engine, as a place where data rests: what the region guard knows of it."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from types import TracebackType

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


class use_step_log:  # noqa: N801 (used like a function)
    """Say for a block which log its calls will be written to."""

    __slots__ = ("_log", "_token")

    def __init__(self, log: StepLog) -> None:
        self._log = log

    def __enter__(self) -> None:
        self._token: Token[StepLog | None] = _current.set(self._log)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
