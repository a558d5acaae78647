"""The fifteen operations of an agent's storage, as the contract names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias

from storescope.errors import UnsupportedOperationError

Handler: TypeAlias = Callable[..., Any]
"""`async def handler(*, id)` and so on; a plain `def` works too and runs in a thread."""

Handlers: TypeAlias = Mapping[str, Handler]
"""A handler map: operation name -> handler. A partial map is allowed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the contract.

    Attributes:
        name: As the contract writes it, `message.listBySession`.
        entity: What it touches: `session`, `message`, `part`, `sandbox` or `setup`.
        verb: `get`, `set`, `update` or `listBySession`.
        params: The names of the handler's keyword arguments, in order.
        writes: Whether it changes what is stored.
    """

    name: str
    entity: str
    verb: str
    params: tuple[str, ...]
    writes: bool

    def __reduce__(self) -> tuple[Callable[[str], Operation], tuple[str]]:
        return find_operation, (self.name,)


_PARAMS = {
    "get": ("id",),
    "set": ("id", "value"),
    "update": ("id", "updates"),
    "listBySession": ("session_id",),
}
_VERBS = {
    "session": ("get", "set", "update"),
    "message": ("get", "set", "update", "listBySession"),
    "part": ("get", "set", "listBySession"),
    "sandbox": ("get", "set", "update"),
    "setup": ("get", "set"),
}

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        f"{entity}.{verb}": Operation(
            f"{entity}.{verb}", entity, verb, _PARAMS[verb], writes=verb in {"set", "update"}
        )
        for entity, verbs in _VERBS.items()
        for verb in verbs
    }
)
"""Name -> `Operation`, all fifteen, in the contract's order."""

IN_SESSION = frozenset({"message", "part"})
"""The entities whose records belong to a session and name it in `sessionId`."""

_LONGEST_SHOWN = 60


def find_operation(name: str) -> Operation:
    """Return the operation called `name`.

    Raises:
        UnsupportedOperationError: If the contract has none of that name; the text says which comes nearest.
    """
    operation = OPERATIONS.get(name)
    if operation is None:
        shown = str(name)[:_LONGEST_SHOWN]  # it may come from another process, megabytes of it
        near = get_close_matches(shown, OPERATIONS, n=1, cutoff=0.0)[0]
        raise UnsupportedOperationError(f"there is no operation {shown!r}; the nearest is {near!r}")
    return operation
