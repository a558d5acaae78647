"""For whom, by whom and from where a call is made."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from storescope._in_force import InForce
from storescope.errors import InvalidRecordError


@dataclass(frozen=True, slots=True)
class CallContext:
    """What travels with a call: on a contextvar in process, inside the envelope across processes.

    Attributes:
        tenant: For whom: an organisation, a project, a user, or a path of them.
        actor: By whom: the person or service that acts.
        region: From where, `aws:eu-west-1`.
        call_id: The call's own id; None until a call is made.
        attempt: 1 for the first try.
        traceparent: The caller's W3C trace context, when it crosses a process.
        tracestate: The W3C header beside it.
    """

    tenant: str | None = None
    actor: str | None = None
    region: str | None = None
    call_id: str | None = None
    attempt: int = 1
    traceparent: str | None = None
    tracestate: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that say something, for JSON."""
        return {name: value for name, value in asdict(self).items() if value != _DEFAULTS[name]}

    @classmethod
    def from_dict(cls, data: Any) -> CallContext:
        """Read what `to_dict` wrote.

        Raises:
            InvalidRecordError: If a field is unknown or of the wrong type.
        """
        if not isinstance(data, dict):
            raise InvalidRecordError("the envelope's context must be an object")
        for name, value in data.items():
            if name not in _DEFAULTS:
                raise InvalidRecordError(f"the envelope's context allows only {', '.join(_DEFAULTS)}")
            wanted = int if name == "attempt" else str
            if type(value) is not wanted:
                raise InvalidRecordError(f"the envelope's context: {name} must be of type {wanted.__name__}")
            if name == "attempt" and int(value) < 1:
                raise InvalidRecordError("the envelope's context: attempt must be 1 or more")
            if name in _NEVER_EMPTY and not value:
                raise InvalidRecordError(f"the envelope's context: {name} must not be empty")
        return cls(**data)


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(CallContext)}
_NEVER_EMPTY = frozenset({"tenant", "actor", "region", "call_id"})
_EMPTY = CallContext()
_current: ContextVar[CallContext] = ContextVar("storescope_call_context", default=_EMPTY)

current_context = _current.get
"""Return the `CallContext` in force here; an empty one outside any `call_context`."""

_call_id: ContextVar[str | None] = ContextVar("storescope_call_id", default=None)

current_call_id = _call_id.get
"""Return the id that the call under way brought in its envelope, the same in every rerun; None if it brought none.

It stands apart from `current_context`, which a handler's own calls take over: each of those is another call.
"""


class use_context(InForce[CallContext]):  # noqa: N801 (used like a function)
    """Put a whole `CallContext` in force for a block."""

    __slots__ = ()

    def __init__(self, context: CallContext) -> None:
        super().__init__(_current, context)


class use_call_id(InForce["str | None"]):  # noqa: N801 (used like a function)
    """Say for a block with which id the call under way came; None with none."""

    __slots__ = ()

    def __init__(self, call_id: str | None) -> None:
        super().__init__(_call_id, call_id)


class _MergedContext(use_context):
    """Put in force what is given, over the context of the block around, known once it is entered."""

    __slots__ = ("_given",)

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(_EMPTY)
        self._given = given

    def __enter__(self) -> CallContext:
        self._value = replace(_current.get(), **self._given)
        return super().__enter__()


def call_context(tenant: str | None = None, actor: str | None = None, region: str | None = None) -> use_context:
    """Say for whom, by whom and from where the calls inside a `with` block are made.

    Args:
        tenant: For whom. What is left out keeps the value of the block around it, here as below.
        actor: By whom.
        region: From where, `aws:eu-west-1`.

    Returns:
        A context manager that yields the `CallContext`.

    Raises:
        InvalidRecordError: If one of them is given and is not a non-empty string.
    """
    given = {
        name: value
        for name, value in (("tenant", tenant), ("actor", actor), ("region", region))
        if value is not None
    }
    for name, value in given.items():
        if not (isinstance(value, str) and value):
            raise InvalidRecordError(f"call_context: {name} must be a non-empty string")
    return _MergedContext(given)
