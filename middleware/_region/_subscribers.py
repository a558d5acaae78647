"""Who may refuse a policy before it comes into force."""

from __future__ import annotations

from inspect import ismethod
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.middleware._region._policy import ResidencyPolicy

    Check: TypeAlias = Callable[[ResidencyPolicy], None]


class Subscribers:
    """Functions, and methods of objects that this keeps not alive."""

    def __init__(self) -> None:
        self._found: list[Callable[[], Check | None]] = []

    def add(self, check: Check) -> None:
        """Ask this one too from now on."""
        self._found.append(WeakMethod(check) if ismethod(check) else lambda: check)

    def check(self, policy: ResidencyPolicy) -> None:
        """Ask all whose object is still there; what the first of them raises is raised."""
        self._found = [found for found in self._found if found() is not None]
        for found in self._found:
            check = found()
            if check is not None:
                check(policy)
