"""The envelope that an agent hands to its storage function."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storescope.call import Call
from storescope.checks import checker
from storescope.compose import innermost, wrapped_of
from storescope.context import CallContext, current_call_id, current_context, use_call_id, use_context
from storescope.contract import Handler, Handlers, find_operation
from storescope.errors import InvalidRecordError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Awaitable

_TO_WIRE: dict[str, str] = {"session_id": "sessionId"}
_FROM_WIRE: dict[str, str] = {"sessionId": "session_id"}


def _refuse_constant(_: str) -> None:
    raise ValueError  # NaN and the infinities, which Python would read and JSON has not


class Store:
    """One storage operation on its way to a handler map.

    It survives JSON and pickle, so that a workflow engine or a bridge can carry it to another process.

    Attributes:
        operation: The operation's name.
        params: Its keyword arguments.
        context: For whom, by whom, from where; None means what is in force where `on` is called.
        call: The `Call` that the last `on` made of it, for whoever wants to know which span it ran in. It travels
            nowhere.
    """

    __slots__ = ("_operation", "call", "context", "params")

    def __init__(self, operation: str, params: dict[str, Any], context: CallContext | None = None) -> None:
        """Make an envelope.

        Args:
            operation: A name of the contract, `message.listBySession`.
            params: The handler's keyword arguments by their Python names.
            context: For whom, by whom, from where.

        Raises:
            UnsupportedOperationError: If the contract has no such operation.
            InvalidRecordError: If the parameters are not those of the operation.
        """
        self._operation = find_operation(operation)
        if set(params) != set(self._operation.params):
            raise InvalidRecordError(
                f"{operation} takes the parameters {', '.join(self._operation.params)}, no more and no fewer"
            )
        self.params = params
        self.context = context
        self.call: Call | None = None

    @property
    def operation(self) -> str:
        """The operation's name."""
        return self._operation.name

    async def on(self, handlers: Handlers) -> Any:
        """Run the operation on a handler map.

        Args:
            handlers: Any handler map, wrapped or not.

        Returns:
            What the handler returns.

        Raises:
            UnsupportedOperationError: If the map has no handler for it.
            InvalidRecordError: If the contract refuses the arguments; the handler was not called.
        """
        handler = handlers.get(self.operation)
        if handler is None:
            present = ", ".join(handlers) or "nothing"
            raise UnsupportedOperationError(f"there is no handler for {self.operation}; the map has {present}")
        context = self.context or current_context()
        ambient = context
        if context.call_id is not None or context.attempt != 1:  # this call's; its handler's calls have their own
            ambient = replace(context, call_id=None, attempt=1)
        with use_context(ambient):
            if context.call_id == current_call_id():  # mostly None both: a call of its own, outside of any
                return await self._run(handler, context)
            with use_call_id(context.call_id):
                return await self._run(handler, context)

    def _run(self, handler: Handler, context: CallContext) -> Awaitable[Any]:
        """Open the call and start it. Not a coroutine of its own, which would cost one more for every call."""
        wrapped = wrapped_of(handler)
        if wrapped is not None:
            self.call = call = wrapped.open(self.params, context)
            return wrapped.step(call)
        self.call = call = Call(self._operation, self.params, context)
        checker(self._operation)(call)
        return innermost(handler)(call)

    def to_json(self) -> str:
        """Return the envelope as JSON, with the parameters' camelCase names.

        Raises:
            InvalidRecordError: If a parameter holds what JSON cannot.
        """
        envelope = self.to_dict()
        try:
            text = json.dumps(envelope, allow_nan=False, separators=(",", ":"))
            same = json.loads(text) == envelope  # tuples, number keys, split surrogates come back changed
        except (TypeError, ValueError, RecursionError) as error:
            reason = type(error).__name__
            raise InvalidRecordError(f"{self.operation}: a parameter is not JSON ({reason})") from None
        if not same:
            raise InvalidRecordError(f"{self.operation}: a parameter is not JSON (it would come back changed)")
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return the envelope as what becomes JSON, with the parameters' camelCase names."""
        envelope: dict[str, Any] = {
            "op": self.operation,
            "params": {_TO_WIRE.get(name, name): value for name, value in self.params.items()},
        }
        if self.context is not None:
            envelope["context"] = self.context.to_dict()
        return envelope

    @classmethod
    def from_json(cls, data: str | bytes) -> Store:
        """Read an envelope.

        Raises:
            InvalidRecordError: If it is not one; the text says what is wrong, without quoting it.
            UnsupportedOperationError: If the contract has no such operation.
        """
        try:
            envelope: Any = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise InvalidRecordError("the envelope is not JSON") from None
        return cls.from_dict(envelope)

    @classmethod
    def from_dict(cls, envelope: Any) -> Store:
        """Read an envelope that was JSON, and is parsed.

        Raises:
            InvalidRecordError: If it is not one; the text says what is wrong, without quoting it.
            UnsupportedOperationError: If the contract has no such operation.
        """
        if not isinstance(envelope, dict) or not set(envelope) <= {"op", "params", "context"}:
            raise InvalidRecordError("the envelope must be an object with op, params and, optionally, context")
        operation: Any = envelope.get("op")
        params: Any = envelope.get("params")
        context: Any = envelope.get("context")
        if not isinstance(operation, str) or not isinstance(params, dict):
            raise InvalidRecordError("the envelope's op must be a string and its params an object")
        if any(name in params for name in _TO_WIRE):  # the other name might stand beside it
            raise InvalidRecordError("the envelope's params are named in camelCase: sessionId")
        return cls(
            operation,
            {_FROM_WIRE.get(str(name), str(name)): value for name, value in params.items()},
            None if context is None else CallContext.from_dict(context),
        )

    def __reduce__(self) -> tuple[type[Store], tuple[str, dict[str, Any], CallContext | None]]:
        return type(self), (self.operation, self.params, self.context)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Store):
            return NotImplemented
        return (self.operation, self.params, self.context) == (other.operation, other.params, other.context)

    __hash__ = None  # type: ignore[assignment] # it holds a dict

    def __repr__(self) -> str:
        return f"Store({self.operation!r})"  # no parameters: they are record content
