"""What a case is, what it is run on, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from storescope.contract import OPERATIONS, Handlers

if TYPE_CHECKING:
    from storescope.conformance._probe import Probe

Kind: TypeAlias = Literal["core", "promise"]
Status: TypeAlias = Literal["pass", "fail", "not_applicable"]
CaseFunction: TypeAlias = Callable[["Probe"], Awaitable[None]]

ENTITIES = tuple(dict.fromkeys(operation.entity for operation in OPERATIONS.values()))
UPDATED = tuple(entity for entity in ENTITIES if f"{entity}.update" in OPERATIONS)
LISTED = tuple(entity for entity in ENTITIES if f"{entity}.listBySession" in OPERATIONS)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that the contract says of one entity.

    Attributes:
        name: `session/missing_is_none`.
        kind: `core` holds for any map; a `promise` is what the shipped backends add.
        entity: Whose operations it tries.
        theme: What it is about: the cases of one theme stand together.
        needs: The operations without which it cannot run.
        protects: What an agent could not rely on if the case failed, in one sentence.
        function: The case itself.
        needs_reopen: Whether other processes must open the same store.
    """

    name: str
    kind: Kind
    entity: str
    theme: str
    needs: tuple[str, ...]
    protects: str
    function: CaseFunction
    needs_reopen: bool = False


@dataclass(frozen=True, slots=True)
class Reopen:
    """How another process gets at the same store.

    Attributes:
        target: `module:name`, or `path/to/file.py:name`. It names a handler map, an awaitable of one, an async
            context manager that yields one, or a function that returns any of these.
        args: The function's arguments; they travel as JSON.
    """

    target: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What the suite is run on.

    Attributes:
        handlers: The map, bare or wrapped. It may be partial.
        reopen: How another process gets at the same store; None if none can.
    """

    handlers: Handlers
    reopen: Reopen | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case.

    Attributes:
        case: The case.
        status: `pass`, `fail`, or `not_applicable` where it could not be tried.
        why: One line: what was expected and what came, or why it could not be tried; empty for a pass.
    """

    case: Case
    status: Status
    why: str = ""


class Theme:
    """The cases of one module, in the order in which they are written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: list[Case] = []

    def case(
        self, kind: Kind, entities: tuple[str, ...], *verbs: str, needs_reopen: bool = False
    ) -> Callable[[CaseFunction], CaseFunction]:
        """Collect a function as one case for each entity; the first paragraph of its docstring is `protects`."""

        def collect(function: CaseFunction) -> CaseFunction:
            protects = " ".join((getdoc(function) or "").split("\n\n")[0].split())
            name = getattr(function, "__name__", "")
            for entity in entities:
                needs = tuple(f"{entity}.{verb}" for verb in verbs)
                case = Case(f"{entity}/{name}", kind, entity, self.name, needs, protects, function, needs_reopen)
                self.cases.append(case)
            return function

        return collect
