"""A context variable's value for a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from contextvars import ContextVar, Token
    from types import TracebackType

_T = TypeVar("_T")


class InForce(Generic[_T]):
    """Set a variable when the block is entered, reset it when it is left. A generator would do, but costs more."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[_T], value: _T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> _T:
        self._token: Token[_T] = self._variable.set(self._value)
        return self._value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._variable.reset(self._token)
        except ValueError:
            # Closed from elsewhere, as an engine does with workflows that it evicts: the block's context is gone.
            if not isinstance(error, GeneratorExit):
                raise
